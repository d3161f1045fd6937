"""What is searched: precisions of each format, on the phones that can run what they need.

What phones compute otherwise than this machine does is not among them: nothing measured here would tell of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from device_profiles.profile import DeviceProfile
from packager.bundle import Format
from packager.formats import get_format, searched_precisions
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
    """Every option, by format, in the order in which they are made.

    First is one of each kind of arithmetic, which tells how fast the others of its kind are, last what no time is known
    of; else those with the fewest bits come first.

    Args:
        formats: Which are searched.
        profiles: The recipe's phones.
    """
    found = []
    for format_ in sorted(formats):
        known = get_format(format_)
        for precision in searched_precisions(format_):
            needed = known.minimum_targets.get(precision, 0)
            devices = [one for one in profiles if plays(one, format_)]
            able = tuple(one.id for one in devices if one.os_number >= needed)
            found.append(Option(Variant(format_, precision), able))
    return _order(found)


def _order(options: Sequence[Option]) -> tuple[Option, ...]:
    ordered = sorted(options, key=lambda option: (option.variant.format, option.arithmetic.weight_bits))
    first: dict[tuple[Format, str], str] = {}
    for option in ordered:
        if option.devices:
            first.setdefault((option.variant.format, option.arithmetic.kind), option.name)

    def rank(option: Option) -> tuple[str, int]:
        leads = first.get((option.variant.format, option.arithmetic.kind)) == option.name
        return option.variant.format, 2 if not option.arithmetic.is_priced else 0 if leads else 1

    return tuple(sorted(ordered, key=rank))
