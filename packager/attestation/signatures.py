"""Signatures of bundles by OpenSSF model signing, with a pair of elliptic-curve keys: offline, without an account.

A signature stands beside its bundle, `<bundle>.sig`: a Sigstore bundle of the SHA-256 of all files, the manifest too.

Source: model-signing, https://github.com/sigstore/model-transparency, mode "key".
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

from device_profiles.files import read_bytes
from packager.attestation.verification import find_faults
from packager.bundle import Bundle
from packager.errors import PackagingError
from packager.storage import write_bytes_atomically

CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""those that model-signing takes"""
_MOST_KEY_BYTES = 64 * 2**10
_MOST_SIGNATURE_BYTES = 64 * 2**20
_EXTRA = 'signatures need OpenSSF model-signing, which is not installed here; install "testpress[sign]"'
_PRIVATE = "right is a private key of the curve P-256, P-384 or P-521 in PEM, without a passphrase"
_PUBLIC = "right is the public key of an elliptic-curve pair (P-256, P-384 or P-521) in PEM"
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)
"""what model-signing raises at a file that is no signature"""


def signature_path(bundle: Path) -> Path:
    """Where a bundle's signature stands: beside it, since all that lies in it is in its manifest."""
    folder = bundle.resolve()
    return folder.with_name(f"{folder.name}.sig")


def sign_bundle(bundle: Bundle, key: Path) -> Path:
    """Sign all files of a bundle.

    Args:
        bundle: The bundle; an older signature of it is replaced.
        key: A file with a private key, see `check_private_key`.

    Returns:
        The signature's path.

    Raises:
        PackagingError: The key is none, the bundle's files do not hold, the signature cannot be written, or the extra
            `sign` is not installed.
    """
    check_private_key(key)
    if faults := find_faults(bundle):
        raise PackagingError("\n".join(("not signed:", *faults)))
    path = signature_path(bundle.path)
    with tempfile.TemporaryDirectory(prefix="testpress-") as folder:
        written = Path(folder) / path.name
        config = _offline_config().set_hashing_config(_every_file())
        try:
            config.use_elliptic_key_signer(private_key=key).sign(bundle.path.resolve(), written)
        except (ValueError, RecursionError) as fault:  # changed since it was looked at, folders within folders
            raise PackagingError(f"{bundle.path}: cannot be signed: {fault}") from None
        write_bytes_atomically(path, written.read_bytes())
    return path


def check_signature(bundle: Bundle, key: Path) -> str | None:
    """What is wrong with a bundle's signature, in one sentence; None where it holds for every file.

    Args:
        bundle: A bundle whose files hold, see `packager.attestation.verification.find_faults`.
        key: A file with the public key of the pair that it should be signed with, in PEM.

    Raises:
        PackagingError: The key is none, or the extra `sign` is not installed.
    """
    _check_public_key(key)
    from cryptography.exceptions import InvalidSignature
    from model_signing import verifying

    path, foreign = signature_path(bundle.path), f"was not made with the private key that belongs to {key}"
    try:
        read_bytes(path, error=PackagingError, most=_MOST_SIGNATURE_BYTES)
    except PackagingError as fault:
        return str(fault)
    config = verifying.Config().use_elliptic_key_verifier(public_key=key).set_hashing_config(_every_file())
    try:
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):  # 1.1 prints of 1.0's files
            config.verify(bundle.path.resolve(), path)
    except InvalidSignature:
        return f"{path}: {foreign}"
    except _UNREADABLE as fault:
        reason = str(fault)
        if reason.startswith("Key mismatch"):
            return f"{path}: {foreign}"
        if reason.startswith("Signature mismatch"):
            return f"{path}: was made of other files: some were changed, added or removed since"
        return f"{path}: is no signature by OpenSSF model signing that can be checked ({type(fault).__name__})"
    return None


def check_private_key(path: Path) -> None:
    """Make sure that bundles can be signed with a key.

    Raises:
        PackagingError: There is no such file, it holds no private key on one of `CURVES`, the key is protected by a
            passphrase, or the extra `sign` is not installed.
    """
    _need_extra()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = read_bytes(path, error=PackagingError, most=_MOST_KEY_BYTES)
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:
        raise PackagingError(f"{path}: is protected by a passphrase; {_PRIVATE}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise PackagingError(f"{path}: holds no private key that can be read; {_PRIVATE}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name not in CURVES:
        raise PackagingError(f"{path}: holds a private key of another kind; {_PRIVATE}")


def _check_public_key(path: Path) -> None:
    _need_extra()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data = read_bytes(path, error=PackagingError, most=_MOST_KEY_BYTES)
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise PackagingError(f"{path}: holds no public key that can be read; {_PUBLIC}") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise PackagingError(f"{path}: holds a public key of another kind; {_PUBLIC}")


def _need_extra() -> None:
    try:
        import model_signing.signing
        import model_signing.verifying  # noqa: F401
    except ImportError:
        raise PackagingError(_EXTRA) from None


def _every_file() -> Any:
    """All files by SHA-256; by default the library passes over what is git's, where something could be added."""
    from model_signing import hashing

    return hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False)


def _offline_config() -> Any:
    """A configuration that asks no network: that of 1.0 begins with Sigstore's online mode, until told otherwise."""
    from model_signing import signing

    class KeyConfig(signing.Config):  # type: ignore[misc]  # the extra may not be here, so that it has no types
        def use_sigstore_signer(self, **_: Any) -> Any:
            return self

    return KeyConfig()
