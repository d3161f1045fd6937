from __future__ import annotations

import errno
import itertools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from packager.disk import explain_no_space, hint_at_space, refuse_write, tells_of_disk
from packager.errors import DiskError, PackagingError
from packager.jobs.workers import Job, Limits, run_jobs
from packager.storage import lock_folder, name_full_disk, stage_folder, write_bytes_atomically
from tests.small_disks import small_disk


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "/out: no space left on the device: x.json cannot be written; free some or {elsewhere}"),
        (errno.EDQUOT, "/out: the disk quota is used up: x.json cannot be written; free some or {elsewhere}"),
        (errno.EFBIG, "/out/x.json: cannot be written: a file of that size is not allowed here; {elsewhere}"),
        (errno.EROFS, "/out/x.json: cannot be written: Read-only file system; {elsewhere}"),
        (errno.EIO, "/out/x.json: cannot be written: the device fails (input/output error); {elsewhere}"),
    ],
)
def test_what_a_disk_refuses_is_told_by_name(number: int, message: str) -> None:
    fault = refuse_write(Path("/out/x.json"), OSError(number, os.strerror(number)))
    assert isinstance(fault, DiskError)
    assert str(fault) == message.format(elsewhere="choose another folder with -o")
    assert tells_of_disk(f"{fault}\n(log: x)")


def test_what_somebody_is_not_allowed_is_not_the_disks_fault() -> None:
    fault = refuse_write(Path("/out/x"), OSError(errno.EACCES, os.strerror(errno.EACCES)))
    assert str(fault) == "/out/x: cannot be written: Permission denied; choose another folder with -o"
    assert not isinstance(fault, DiskError)
    assert not tells_of_disk(str(fault))
    assert not tells_of_disk("RuntimeError: Lowering not found: aten.svd")


def _raised(*causes: Exception) -> Exception:
    """The last of a chain of exceptions, each the cause of the next."""
    for inner, outer in itertools.pairwise(causes):
        outer.__cause__ = inner
    return causes[-1]


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("causes", "told"),
    [
        ((FULL,), "nothing more can be written"),
        ((FULL, RuntimeError("cannot save")), "RuntimeError: cannot save"),
        ((FULL, ValueError("a"), PackagingError("b")), "PackagingError: b"),
        ((RuntimeError("write failed: No space left on device [28]"),), "RuntimeError: write failed: No space left"),
    ],
)
def test_frameworks_wrap_what_the_system_said(causes: tuple[Exception, ...], told: str, tmp_path: Path) -> None:
    message = explain_no_space([tmp_path / "out"], _raised(*causes))
    assert message is not None
    assert message.startswith(f"{tmp_path / 'out'}: no space left on the device: {told}")
    assert message.endswith("; free some or choose another folder with -o")


@pytest.mark.parametrize("fault", [None, RuntimeError("Lowering not found"), OSError(errno.ENOENT, "no such file")])
def test_where_there_is_space_another_reason_stays(fault: Exception | None, tmp_path: Path) -> None:
    assert explain_no_space([tmp_path], fault) is None


@pytest.mark.parametrize(
    "fault", [None, RuntimeError("failed to serialize"), MemoryError(), PackagingError("has no signature")]
)
def test_a_full_file_system_is_seen_where_nobody_says_why(fault: Exception | None, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2 << 20) as disk:
        out = disk.path / "not" / "made" / "yet"
        assert explain_no_space([tmp_path, out], fault) is None
        (disk.path / "x").write_bytes(bytes(3 << 19))
        message = explain_no_space([tmp_path, out], fault)
        assert message is not None
        assert message.startswith(f"{out}: no space left on the device: ")
        assert hint_at_space([tmp_path, out]) == f" (only 0.5 MB are free in {out}, which may be why)"
        assert hint_at_space([tmp_path]) == ""


def test_no_file_left_to_be_made_is_no_space_either(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64 << 20, n_files=4) as disk:
        for name in "abc":
            (disk.path / name).touch()
        message = explain_no_space([disk.path])
        assert message is not None
        with pytest.raises(DiskError, match=rf"{disk.path}: no space left on the device: x\.json cannot be written; "):
            write_bytes_atomically(disk.path / "x.json", b"x")


def test_the_temporary_folder_is_told_by_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "scratch", 64 << 10) as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk.path))
        with (
            pytest.raises(DiskError) as caught,
            stage_folder(tmp_path / "out" / "one"),
            tempfile.TemporaryDirectory() as scratch,
            name_full_disk(Path(scratch)),
        ):
            (Path(scratch) / "x").write_bytes(bytes(1 << 20))
        assert str(caught.value) == (
            f"{disk.path}: no space left on the device: nothing more can be written; "
            "free some or set TMPDIR to another folder"
        )
        assert list((tmp_path / "out").iterdir()) == []


def _stage(folder: Path) -> None:
    with stage_folder(folder / "stage") as stage:
        (stage / "x").write_bytes(bytes(1 << 20))


def _stage_with_cpp(folder: Path) -> None:
    """Code that gives no reason, as a framework's writer in C++."""
    with stage_folder(folder / "stage") as stage:
        try:
            (stage / "x").write_bytes(bytes(1 << 20))
        except OSError:
            raise RuntimeError("failed to write the model") from None


def _write(folder: Path) -> None:
    write_bytes_atomically(folder / "deep" / "x", bytes(1 << 20))


@pytest.mark.parametrize("write", [_stage, _stage_with_cpp, _write])
def test_a_write_that_does_not_fit_is_one_message_and_leaves_nothing(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 64 << 10) as disk:
        with pytest.raises(DiskError) as caught:
            write(disk.path)
        assert "no space left on the device: " in str(caught.value)
        assert str(disk.path) in str(caught.value)
        assert not [path for path in disk.path.rglob("*") if path.is_file()]
        disk.resize(8 << 20)
        write(disk.path)


def test_what_a_crashed_worker_left_is_gone_when_the_lock_is(tmp_path: Path) -> None:
    left = tmp_path / "bundles" / ".one.abcd1234.partial"
    with pytest.raises(RuntimeError), lock_folder(tmp_path):
        left.mkdir(parents=True)
        raise RuntimeError("the worker was ended by SIGBUS")
    assert not left.exists()


def _run(name: str, out: Path) -> None:
    job = Job(f"tests.packager.disk_jobs:{name}", {"folder": str(out)}, out / "logs" / "x.log", Limits(time_s=60))
    run_jobs([job], lambda *_: None)


@pytest.mark.parametrize("name", ["write_to_map", "print_without_end"])
def test_a_worker_that_fills_the_output_ends_all_work(name: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        with pytest.raises(DiskError) as caught, lock_folder(disk.path / "out"):
            _run(name, disk.path / "out")
        assert str(caught.value).startswith(f"{disk.path / 'out' / 'logs'}: no space left on the device: ")
        assert "; free some or choose another folder with -o\n(log: " in str(caught.value)
        assert not list(disk.path.rglob("*.partial"))


@pytest.mark.parametrize("name", ["fill_temporary", "fill_temporary_and_hide_it"])
def test_a_worker_that_fills_its_temporary_folder_names_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "scratch", 1 << 20) as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk.path))
        with pytest.raises(DiskError) as caught:
            _run(name, tmp_path / "out")
        assert str(caught.value).startswith(f"{disk.path}/testpress-")
        assert ": no space left on the device: " in str(caught.value)
        assert "; free some or set TMPDIR to another folder\n(log: " in str(caught.value)
        assert list(disk.path.iterdir()) == []


def test_a_worker_that_ends_where_there_is_space_has_its_own_reason(tmp_path: Path) -> None:
    job = Job("tests.packager.disk_jobs:end_without_a_word", {}, tmp_path / "x.log", Limits(time_s=60))
    assert run_jobs([job], lambda *_: None)[0].reason == "the worker ended with exit code 3"
