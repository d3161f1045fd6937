"""Pairs of elliptic-curve keys for tests of signatures; needs the extra `sign`."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def write_keys(folder: Path, *, curve: str = "SECP256R1", passphrase: bytes | None = None) -> tuple[Path, Path]:
    """A new pair: the private key's file and the public one's."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(getattr(ec, curve)())
    cipher = serialization.NoEncryption() if passphrase is None else serialization.BestAvailableEncryption(passphrase)
    private, public = folder / "private.pem", folder / "public.pem"
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, cipher))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
    return private, public
