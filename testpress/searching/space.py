"""What is searched: each precision of each format, on the phones that can run what it needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from device_profiles.profile import DeviceProfile
from packager.bundle import Format
from packager.formats import get_format, precisions
from packager.formats.format import Arithmetic
from packager.formats.phones import plays
from packager.package import Variant


@dataclass(frozen=True)
class Option:
    """One way to make a bundle.

    Attributes:
        variant: Its format and precision.
        devices: The phones that play the format and whose system has what the precision needs.
    """

    variant: Variant
    devices: tuple[str, ...]

    @property
    def name(self) -> str:
        """The bundle's."""
        return self.variant.name

    @property
    def arithmetic(self) -> Arithmetic:
        """What it computes in."""
        return get_format(self.variant.format).arithmetic_of(self.variant.precision)


def list_options(formats: Collection[Format], profiles: Sequence[DeviceProfile]) -> tuple[Option, ...]:
    """Every option, by format, those with the fewest bits first, and last those of which no time is known.

    Args:
        formats: Which are searched.
        profiles: The recipe's phones.
    """
    found = []
    for format_ in sorted(formats):
        known = get_format(format_)
        for precision in precisions(format_):
            needed = known.minimum_targets.get(precision, 0)
            devices = [one for one in profiles if plays(one, format_)]
            able = tuple(one.id for one in devices if one.os_number >= needed)
            found.append(Option(Variant(format_, precision), able))
    return tuple(sorted(found, key=_order))


def _order(option: Option) -> tuple[str, bool, int]:
    arithmetic = option.arithmetic
    return option.variant.format, not arithmetic.is_priced, arithmetic.weight_bits
