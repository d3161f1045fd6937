"""Holding a bundle's files against its manifest."""

from __future__ import annotations

from packager.bundle import MANIFEST_NAME, Bundle
from packager.storage import digest_files


def check_files(bundle: Bundle) -> tuple[str, ...]:
    """The files of a bundle that are not what its manifest says, one line each; none when all hold.

    Raises:
        PackagingError: The bundle holds a symbolic link.
    """
    found = {name: digest for name, digest in digest_files(bundle.path).items() if name != MANIFEST_NAME}
    stated = bundle.manifest.files
    faults = []
    for name in sorted({*found, *stated}):
        if name not in found:
            faults.append(f"{bundle.path / name}: missing, but in the manifest")
        elif name not in stated:
            faults.append(f"{bundle.path / name}: not in the manifest")
        elif found[name] != stated[name]:
            faults.append(
                f"{bundle.path / name}: changed since it was packaged: SHA-256 {found[name].sha256[:12]}… "
                f"({found[name].size_bytes} bytes), the manifest says {stated[name].sha256[:12]}… "
                f"({stated[name].size_bytes} bytes)"
            )
    return tuple(faults)
