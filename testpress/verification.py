"""Whether a bundle is what it says: its files, its signature, and what its recipe makes when it is made anew."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from device_profiles.record import Record, parse_record
from device_profiles.text import shorten
from evaluators.integration.replaying import Replay
from packager.attestation.signatures import check_signature, signature_path
from packager.attestation.verification import digest_each, find_faults, to_line
from packager.bundle import Bundle, FileDigest, read_bundle
from packager.errors import PackagingError
from testpress import sandbox
from testpress.limits import LimitsSpec
from testpress.pipeline import remake_bundle
from testpress.recipe import Recipe
from testpress.table import align
from testpress.vector_replay import as_text as describe_replay
from testpress.work import Progress, Work


class SignatureCheck(Record):
    """What came of holding a bundle against its signature."""

    path: str
    key: str
    """the public key's file"""
    fault: str | None
    """why it does not hold; none where it holds"""


class RebuildCheck(Record):
    """What came of making a bundle anew and comparing all of its files, the manifest too, byte by byte."""

    recipe: str
    files: int
    """how many were compared"""
    differences: tuple[str, ...]
    """one line a file that differs or that only one of the two has"""
    explanation: str | None
    """why they may differ: tools of other versions, or other input; none where nothing differs"""


class Verification(Record):
    """What came of verifying a bundle."""

    bundle: str
    variant: str
    model: str
    files: int
    """how many are in the manifest"""
    faults: tuple[str, ...]
    """one line a file that is missing, changed, added, or no regular file"""
    signature: SignatureCheck | None = None
    """none where no key was given, or where files do not hold"""
    vectors: Replay | None = None
    """none where vectors were neither replayed nor held against an app's outputs, or where files do not hold"""
    rebuild: RebuildCheck | None = None
    """none where no recipe was given, or where files do not hold"""

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is not good, one part of a sentence each; none when all that was asked for holds."""
        different = () if self.rebuild is None else self.rebuild.differences
        broken = () if self.vectors is None else self.vectors.broken
        whose = "the bundle's" if self.vectors is None or self.vectors.made_by == "emulator" else "the app's"
        return (
            *([f"{len(self.faults)} files are not what the manifest says"] if self.faults else []),
            *([self.signature.fault] if self.signature is not None and self.signature.fault is not None else []),
            *([f"{len(broken)} of {whose} values are not those of its golden vectors"] if broken else []),
            *([f"{len(different)} files are made differently now"] if different else []),
        )


@dataclass(frozen=True)
class VectorOrder:
    """What to do with a bundle's golden vectors.

    Attributes:
        outputs: The folder that an app wrote; None replays them on the bundle's own emulator.
        runtime: Whose tolerances count; None takes the bundle's own.
        recipe: Whose code is the bundle's front end, where it is code.
        limits: What the worker may use.
    """

    outputs: Path | None = None
    runtime: str | None = None
    recipe: Path | None = None
    limits: LimitsSpec = field(default_factory=LimitsSpec)


def verify_bundle(
    path: Path,
    progress: Progress,
    *,
    key: Path | None,
    recipe: Recipe | None,
    vectors: VectorOrder | None = None,
) -> Verification:
    """Hold a bundle against its manifest and, asked, against its signature and its recipe.

    A bundle whose files do not hold is neither held against a signature, nor played, nor made anew.

    Args:
        path: The bundle's folder.
        progress: Who is told.
        key: A public key that the bundle must be signed for.
        recipe: What to make the bundle anew from.
        vectors: What to do with its golden vectors; None leaves them.

    Raises:
        TestpressError: There is no bundle, key or variant, or it cannot be made anew.
    """
    bundle = read_bundle(path)
    faults, manifest = find_faults(bundle), bundle.manifest
    signature = None if key is None or faults else _check_signature(bundle, key)
    played = None if vectors is None or faults else _check_vectors(path, vectors, progress)
    rebuild = None if recipe is None or faults else _check_rebuild(bundle, recipe, progress)
    return Verification(
        bundle=str(path),
        variant=manifest.variant,
        model=f"{manifest.model.name} {manifest.model.version}",
        files=len(manifest.files),
        faults=faults,
        signature=signature,
        vectors=played,
        rebuild=rebuild,
    )


def _check_vectors(path: Path, order: VectorOrder, progress: Progress) -> Replay:
    options = {"outputs": order.outputs, "runtime": order.runtime, "recipe": order.recipe}
    found = sandbox.replay_vectors(
        str(path), options, order.limits, lambda done, total: progress.stage("replay", done, total)
    )
    return parse_record(found.data, Replay, where=str(path), error=PackagingError)


def _check_signature(bundle: Bundle, key: Path) -> SignatureCheck:
    path = signature_path(bundle.path)
    return SignatureCheck(path=str(path), key=str(key), fault=check_signature(bundle, key))


def _check_rebuild(bundle: Bundle, recipe: Recipe, progress: Progress) -> RebuildCheck:
    with tempfile.TemporaryDirectory(prefix="testpress-") as out:
        outcome = remake_bundle(Work(recipe, Path(out), progress), bundle.manifest.variant)
        if outcome.bundle is None:
            raise PackagingError(f"{bundle.path}: could not be made anew from {recipe.path}: {outcome.reason}")
        return compare_remade(bundle, outcome.bundle, recipe.path)


def compare_remade(bundle: Bundle, remade: Bundle, recipe: Path) -> RebuildCheck:
    """Compare a bundle with what was made anew from its recipe, file by file."""
    differences = _compare_files(bundle, remade)
    return RebuildCheck(
        recipe=str(recipe),
        files=len(bundle.manifest.files) + 1,
        differences=differences,
        explanation=_explain(bundle, remade) if differences else None,
    )


def _compare_files(bundle: Bundle, remade: Bundle) -> tuple[str, ...]:
    ours, theirs = digest_each(bundle.path), digest_each(remade.path)
    lines = []
    for name in sorted({*ours, *theirs}):
        if name not in theirs:
            lines.append(f"{to_line(name)}: is not made any more")
        elif name not in ours:
            lines.append(f"{to_line(name)}: is made in addition")
        elif ours[name] != theirs[name]:
            was, now = _digest_text(ours[name]), _digest_text(theirs[name])
            lines.append(f"{to_line(name)}: is made differently: {was}; now {now}")
    return tuple(lines)


def _digest_text(found: FileDigest | str) -> str:
    return found if isinstance(found, str) else f"SHA-256 {found.sha256[:12]}…, {found.size_bytes} bytes"


def _explain(bundle: Bundle, remade: Bundle) -> str:
    before, after = bundle.manifest.tools, remade.manifest.tools
    tools = [
        shorten(f"{name} {before.get(name, 'not used')}, here {after.get(name, 'not used')}")
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    if tools:
        return f"other versions of tools than in the manifest: {'; '.join(tools)}"
    if bundle.manifest.key != remade.manifest.key:
        return "the same versions of tools, but another source model, other options or other code of testpress"
    return "the same input and versions of tools: the conversion is not the same every time, or not on this machine"


def as_text(found: Verification) -> str:
    """A verification for people."""
    held = ["BROKEN", *found.faults] if found.faults else [f"all {found.files} hold their SHA-256; nothing was added"]
    rows = list(zip(("files", *("" for _ in held[1:])), held, strict=True))
    if found.signature is not None:
        good = f"{found.signature.path} holds for all files and the manifest, by {found.signature.key}"
        rows.append(("signature", good if found.signature.fault is None else f"BROKEN: {found.signature.fault}"))
    if found.rebuild is not None:
        rows += _rebuild_rows(found.rebuild)
    title = f"{found.bundle}: {shorten(found.variant)} of {shorten(found.model)}"
    parts = [f"{title}\n{align(rows, indent='  ')}"]
    return "\n\n".join([*parts, *([] if found.vectors is None else [describe_replay(found.vectors)])])


def _rebuild_rows(found: RebuildCheck) -> list[tuple[str, str]]:
    if not found.differences:
        return [("made anew", f"the same bytes in all {found.files} files, from {found.recipe}")]
    return [
        ("made anew", f"DIFFERS: {len(found.differences)} files, from {found.recipe}"),
        *(("", line) for line in found.differences),
        ("", f"because of {found.explanation}"),
    ]
