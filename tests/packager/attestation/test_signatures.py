from __future__ import annotations

import base64
import json
import random
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from packager.attestation.signatures import check_private_key, check_signature, sign_bundle, signature_path
from packager.bundle import Bundle, read_bundle
from packager.errors import PackagingError
from tests.testpress.tiny_tflite import write_bundle

pytest.importorskip("model_signing", reason='needs "testpress[sign]"')
from tests.signing_keys import write_keys


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path / "out" / "b"))


@pytest.mark.parametrize("curve", ["SECP256R1", "SECP384R1", "SECP521R1"])
def test_a_signature_stands_beside_its_bundle_and_holds(tmp_path: Path, bundle: Bundle, curve: str) -> None:
    private, public = write_keys(tmp_path, curve=curve)
    path = sign_bundle(bundle, private)
    assert path == tmp_path / "out" / "b.sig" == signature_path(bundle.path)
    assert check_signature(bundle, public) is None
    assert sorted(one.name for one in path.parent.iterdir()) == ["b", "b.sig"]  # nothing half-written is left


def test_it_covers_every_file_and_the_manifest_by_sha256(tmp_path: Path, bundle: Bundle) -> None:
    envelope = json.loads(sign_bundle(bundle, write_keys(tmp_path)[0]).read_text())["dsseEnvelope"]
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["predicateType"] == "https://model_signing/signature/v1.0"
    signed = {one["name"]: (one["algorithm"], one["digest"]) for one in statement["predicate"]["resources"]}
    assert set(signed) == {*bundle.manifest.files, "manifest.json"}
    for name, digest in bundle.manifest.files.items():
        assert signed[name] == ("sha256", digest.sha256)


@pytest.mark.slow
def test_the_librarys_own_command_verifies_it(tmp_path: Path, bundle: Bundle) -> None:
    private, public = write_keys(tmp_path)
    path = sign_bundle(bundle, private)
    arguments = ["verify", "key", str(bundle.path), "--signature", str(path), "--public_key", str(public)]
    run = subprocess.run([sys.executable, "-m", "model_signing", *arguments], capture_output=True, text=True)
    assert (run.returncode, "Verification succeeded" in run.stdout + run.stderr) == (0, True), run.stderr


def test_no_network_is_asked(tmp_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    private, public = write_keys(tmp_path)
    sign_bundle(bundle, private)
    assert check_signature(bundle, public) is None


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def make_beside(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        ("model.tflite", append),
        ("golden/in.f32", append),
        ("manifest.json", append),
        ("golden/out.f32", Path.unlink),
        ("new.txt", make_beside),
        (".git/config", make_beside),  # what the library passes over unless told otherwise
        (".github/x", make_beside),
        (".gitattributes", make_beside),
    ],
)
def test_any_other_file_breaks_it(tmp_path: Path, bundle: Bundle, file: str, spoil: Callable[[Path], None]) -> None:
    private, public = write_keys(tmp_path)
    path = sign_bundle(bundle, private)
    spoil(bundle.path / file)
    assert (
        check_signature(bundle, public) == f"{path}: was made of other files: some were changed, added or removed since"
    )


def test_a_foreign_signature_and_a_missing_one_are_told(tmp_path: Path, bundle: Bundle) -> None:
    _, public = write_keys(tmp_path)
    path = signature_path(bundle.path)
    assert check_signature(bundle, public) == f"{path}: no such file"
    sign_bundle(bundle, write_keys(tmp_path / "foreign")[0])
    assert check_signature(bundle, public) == f"{path}: was not made with the private key that belongs to {public}"


def test_what_does_not_hold_is_not_signed(tmp_path: Path, bundle: Bundle) -> None:
    append(bundle.path / "model.tflite")
    (bundle.path / "root").symlink_to("/")
    with pytest.raises(PackagingError, match=r"^not signed:\n.*model\.tflite: changed since .*\n.*root: is a symbolic"):
        sign_bundle(bundle, write_keys(tmp_path)[0])
    assert not signature_path(bundle.path).exists()


def test_a_signature_of_another_bundle_is_none_of_this(tmp_path: Path, bundle: Bundle) -> None:
    private, public = write_keys(tmp_path)
    other = read_bundle(write_bundle(tmp_path / "out" / "c", output="other"))
    signature_path(bundle.path).write_bytes(sign_bundle(other, private).read_bytes())
    assert "was made of other files" in str(check_signature(bundle, public))


def test_a_signature_that_is_no_signature_is_one_sentence(tmp_path: Path, bundle: Bundle) -> None:
    """Bytes and values of it turned at random: never a pass, never an exception."""
    private, public = write_keys(tmp_path)
    path = sign_bundle(bundle, private)
    whole, seeded = path.read_bytes(), random.Random(7)
    odd = [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 10**5, b'{"dsseEnvelope": {}}', whole[:-10]]
    odd += [
        json.dumps({**json.loads(whole), key: value}).encode()
        for key in json.loads(whole)
        for value in (None, 7, [], {}, "x")
    ]
    for _ in range(60):
        data = bytearray(whole)
        data[seeded.randrange(len(data))] = seeded.randrange(256)
        odd.append(bytes(data))
    meant, refused = json.loads(whole)["dsseEnvelope"], 0
    for data in odd:
        path.write_bytes(data)
        found = check_signature(bundle, public)
        if found is None:  # what is signed was not touched
            said = json.loads(data)["dsseEnvelope"]
            assert [base64.b64decode(x) for x in (said["payload"], said["signatures"][0]["sig"])] == [
                base64.b64decode(x) for x in (meant["payload"], meant["signatures"][0]["sig"])
            ]
        else:
            refused += 1
            assert found.startswith(f"{path}: ")
            assert len(found.splitlines()) == 1
    assert refused > len(odd) / 2


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no such file"),
        ("folder", "cannot be read: is a folder"),
        ("garbage", "holds no private key that can be read; right is a private key of the curve P-256"),
        ("public", "holds no private key that can be read"),
        ("passphrase", "is protected by a passphrase; right is"),
        ("rsa", "holds a private key of another kind"),
        ("ed25519", "holds a private key of another kind"),
        ("secp256k1", "holds a private key of another kind"),
        ("large", "holds more than 65536 bytes"),
    ],
)
def test_a_key_that_cannot_sign_is_one_message_without_the_key(
    tmp_path: Path, bundle: Bundle, kind: str, message: str
) -> None:
    path = write_odd_key(tmp_path, kind)
    for use in (check_private_key, lambda key: sign_bundle(bundle, key)):
        with pytest.raises(PackagingError) as raised:
            use(path)
        text = str(raised.value)
        assert text.startswith(f"{path}: ")
        assert message in text
        assert "BEGIN" not in text
        assert raised.value.__suppress_context__ or raised.value.__context__ is None
    assert not signature_path(bundle.path).exists()


@pytest.mark.parametrize("kind", ["missing", "folder", "garbage", "private", "rsa-public"])
def test_a_key_that_cannot_verify_is_one_message(tmp_path: Path, bundle: Bundle, kind: str) -> None:
    path = write_odd_key(tmp_path, kind)
    with pytest.raises(PackagingError) as raised:
        check_signature(bundle, path)
    assert str(raised.value).startswith(f"{path}: ")
    assert len(str(raised.value).splitlines()) == 1


def write_odd_key(folder: Path, kind: str) -> Path:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    path = folder / "odd.pem"
    if kind == "folder":
        path.mkdir()
    elif kind in {"garbage", "large"}:
        path.write_bytes(b"-----BEGIN" * (1 if kind == "garbage" else 10**4))
    elif kind in {"public", "private", "passphrase"}:
        private, public = write_keys(folder, passphrase=b"x" if kind == "passphrase" else None)
        path.write_bytes((public if kind == "public" else private).read_bytes())
    elif kind != "missing":
        make = {
            "rsa": lambda: rsa.generate_private_key(65537, 2048),
            "ed25519": ed25519.Ed25519PrivateKey.generate,
            "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
        }[kind.removesuffix("-public")]
        encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        data = make().private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
        if kind.endswith("-public"):
            form = serialization.PublicFormat.SubjectPublicKeyInfo
            data = serialization.load_pem_private_key(data, None).public_key().public_bytes(encoding, form)
        path.write_bytes(data)
    return path
