"""Files and folders that are on the disk, with the name that they stand under, when a function here returns."""

import os
from contextlib import suppress
from pathlib import Path

from cloud_stub.contract.durable import make_folder, sync

__all__ = ["create", "make_folder", "replace", "sync", "write"]


def replace(file: Path, content: bytes, *, secret: bool = False) -> None:
    """Write a file anew: cut off, the old one is there, or the new one, whole. Raises OSError.

    With `secret` at no time can anybody but its owner read it.
    """
    new = _beside(file, content, secret=secret)
    new.replace(file)
    sync(file.parent)


def create(file: Path, content: bytes) -> None:
    """Write a secret file unless there is one: of two processes that do so at once, one prevails. Raises OSError."""
    if file.exists():
        return
    new = _beside(file, content, secret=True)
    with suppress(FileExistsError):
        os.link(new, file)
    new.unlink()
    sync(file.parent)


def write(file: Path, content: bytes) -> None:
    """Write into what a user has named: a file, or a pipe, for which there is nothing to keep. Raises OSError."""
    with file.open("wb") as out:
        out.write(content)
        out.flush()
        if not file.is_file():
            return
        os.fsync(out.fileno())
    sync(file.parent)


def _beside(file: Path, content: bytes, *, secret: bool) -> Path:
    new = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o666), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    return new
