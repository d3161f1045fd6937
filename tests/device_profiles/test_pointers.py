from __future__ import annotations

import pytest

from device_profiles.pointers import describe_pointer

OID = "oid sha256:" + 64 * "4"


@pytest.mark.parametrize(
    ("size", "text"), [("15840012", " of 15.8 MB"), ("2048", " of 2.0 kB"), ("7", " of 7 bytes"), ("x", "")]
)
def test_a_pointer_says_how_large_the_file_is(size: str, text: str) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\n{OID}\nsize {size}\n".encode()
    found = f"is a Git LFS pointer to a file{text}, not the file itself; right is: git lfs pull"
    assert describe_pointer(pointer) == found


@pytest.mark.parametrize("data", [b"", b"\x1c\0\0\0TFL3", b"version https://example.org/v1\nsize 3\n"])
def test_what_is_no_pointer_is_not_described(data: bytes) -> None:
    assert describe_pointer(data) is None
