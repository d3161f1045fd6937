"""Which bundles a recipe makes, and for which phones: what [variants] and [variants_for] say, or profiles prefer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from device_profiles.errors import TestpressError
from device_profiles.profile import DeviceProfile
from device_profiles.record import suggest
from device_profiles.text import shorten
from packager.formats import format_names, precisions
from packager.formats.phones import format_of_runtime, plays
from packager.formats.precision_words import resolve_in_any, resolve_precision, resolve_variant
from packager.package import Variant
from reports.judging.budgets import Budget

DEFAULT_PRECISIONS = ("float32", "float16")
"""of every format, where a recipe names neither variants nor phones: what needs no calibration and no late system"""

Precisions = Mapping[str, Sequence[str]]


@dataclass
class Words:
    """Precisions as a recipe writes them, made those that testpress knows.

    Attributes:
        faults: What cannot be understood, one line each.
        notices: What was taken for what.
    """

    faults: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def resolve(self, written: Precisions | None) -> dict[str, tuple[str, ...]] | None:
        """[variants]; an unknown format is a fault."""
        if written is None:
            return None
        found = {}
        for format_, words in written.items():
            if format_ not in format_names():
                known = ", ".join(format_names())
                hint = suggest(format_, format_names())
                self.faults.append(f"variants.{format_}: unknown format{hint}; known: {known}")
            else:
                meant = (self._resolve_one(format_, word, f"variants.{format_}") for word in words)
                found[format_] = tuple(dict.fromkeys(meant))
        return found

    def resolve_for(
        self, written: Precisions | None, profiles: Sequence[DeviceProfile], *, strict: bool
    ) -> dict[str, tuple[Variant, ...]]:
        """[variants_for]: of each phone, what is made for it; with `strict` a phone that there is not is a fault."""
        phones, found = {profile.id: profile for profile in profiles}, {}
        for phone, words in (written or {}).items():
            where = f"variants_for.{phone}"
            if phone not in phones:
                if strict:
                    hint = suggest(phone, phones) or f"; known: {', '.join(phones) or 'none'}"
                    self.faults.append(f"{where}: devices.ids does not name this phone{hint}")
                continue
            pairs = (pair for word in words for pair in self._resolve_on(phones[phone], word, where))
            found[phone] = tuple(dict.fromkeys(pairs))
            if not words:
                self.faults.append(f"{where}: no precision is named; name at least one, or leave the phone out")
        return found

    def resolve_budgets(self, budgets: Sequence[Budget]) -> tuple[Budget, ...]:
        """Budgets with the precisions and bundles that they mean."""
        found = []
        for index, budget in enumerate(budgets):
            changes: dict[str, tuple[str, ...]] = {}
            if budget.precisions is not None:
                where = f"budgets[{index}].precisions"
                meant = (one for word in budget.precisions for one in self._resolve_any(word, where))
                changes["precisions"] = tuple(dict.fromkeys(meant))
            if budget.variants is not None:
                where = f"budgets[{index}].variants"
                changes["variants"] = tuple(self._resolve_name(name, where) for name in budget.variants)
            found.append(budget.model_copy(update=changes) if changes else budget)
        return tuple(found)

    def pick(self, variants: Sequence[Variant], only: Sequence[str]) -> tuple[Variant, ...]:
        """The bundles of a recipe that are named; a name that it does not make is a fault."""
        names = {variant.name: variant for variant in variants}
        meant = [self._resolve_name(name, "--variant") for name in only]
        for name in meant:
            if name not in names and not self.faults:
                hint = suggest(name, names)
                self.faults.append(f"--variant: makes no bundle {shorten(name)!r}{hint}; it makes {', '.join(names)}")
        return tuple(variant for name, variant in names.items() if name in meant)

    def _resolve_one(self, format_: str, word: str, where: str) -> str:
        try:
            return self._tell(word, where, resolve_precision(format_, word, where=where))[0]
        except TestpressError as fault:
            self.faults.append(str(fault))
            return word

    def _resolve_on(self, profile: DeviceProfile, word: str, where: str) -> list[Variant]:
        """What a precision, or a bundle's whole name, means on a phone: in each format that its apps play."""
        played = [name for name in format_names() if plays(profile, name)]
        format_, dash, rest = word.partition("-")
        if dash and format_ in format_names():
            if format_ not in played:
                self.faults.append(f"{where}: {word}: apps on {profile.id} play {', '.join(played)}, not {format_}")
                return []
            return [Variant(format_, self._resolve_one(format_, rest, where))]
        found, faults = [], []
        for name in played:
            try:
                found += [
                    Variant(name, one) for one in self._tell(word, where, resolve_precision(name, word, where=where))
                ]
            except TestpressError as fault:
                faults.append(str(fault))
        self.faults += [] if found else faults
        return found

    def _resolve_any(self, word: str, where: str) -> tuple[str, ...]:
        try:
            return self._tell(word, where, *resolve_in_any(word, where=where))
        except TestpressError as fault:
            self.faults.append(str(fault))
            return (word,)

    def _resolve_name(self, name: str, where: str) -> str:
        try:
            return self._tell(name, where, resolve_variant(name, where=where))[0]
        except TestpressError as fault:
            self.faults.append(str(fault))
            return name

    def _tell(self, word: str, where: str, *meant: str) -> tuple[str, ...]:
        if meant != (word,):
            notice = f"{where}: {shorten(word)} is taken for {' and '.join(meant)}"
            self.notices += [] if notice in self.notices else [notice]
        return meant


def choose_variants(
    written: Precisions | None, own: Mapping[str, Sequence[Variant]], profiles: Sequence[DeviceProfile]
) -> dict[str, tuple[Variant, ...]]:
    """Of each phone, the bundles that are meant for it.

    Args:
        written: [variants]; None where the recipe has none.
        own: [variants_for], of those phones that it names.
        profiles: The recipe's phones.
    """
    return {profile.id: tuple(own.get(profile.id) or _list_for(profile, written)) for profile in profiles}


def join_variants(written: Precisions | None, meant: Mapping[str, Sequence[Variant]]) -> tuple[Variant, ...]:
    """All bundles that a recipe makes, in the order of [variants], then of its phones, each once.

    Args:
        written: [variants]; None where the recipe has none.
        meant: As `choose_variants` says; empty where there is no phone.
    """
    if not meant:
        wanted = dict.fromkeys(format_names(), DEFAULT_PRECISIONS) if written is None else written
        return tuple(Variant(name, one) for name, words in wanted.items() for one in dict.fromkeys(words))
    needed = list(dict.fromkeys(one for variants in meant.values() for one in variants))
    first = [Variant(name, one) for name, words in (written or {}).items() for one in words]
    return tuple(dict.fromkeys([one for one in first if one in needed] + needed))


def list_meant_elsewhere(
    variants: Sequence[Variant], meant: Mapping[str, Sequence[Variant]]
) -> dict[str, frozenset[str]]:
    """Of each phone, the names of the bundles that are made for other phones alone."""
    return {phone: frozenset(one.name for one in variants if one not in own) for phone, own in meant.items()}


def _list_for(profile: DeviceProfile, written: Precisions | None) -> list[Variant]:
    if written is not None:
        played = {name: words for name, words in written.items() if plays(profile, name)}
        return [Variant(name, one) for name, words in played.items() for one in dict.fromkeys(words)]
    first = profile.runtimes[0]
    format_ = format_of_runtime(first.name, profile.platform)
    assert format_ is not None
    return [Variant(format_.name, one) for one in first.precisions if one in precisions(format_.name)]
