"""Files and folders that are on the disk, with the name that they stand under, when a function here returns."""

import contextlib
import errno
import os
from pathlib import Path


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make the folder, with that mode, and those above it that are missing. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=mode, exist_ok=True)
    sync(folder.parent)


def write(file: Path, content: bytes) -> None:
    """Write a file in its place, for its owner only. Cut off, it is there in part. Raises OSError."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    sync(file.parent)


def replace(file: Path, content: bytes) -> None:
    """Write a file anew. Cut off, the old one is there, or the new one, whole. Raises OSError."""
    new = file.with_name(f"{file.name}.new")
    with new.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)
    sync(file.parent)


def sync(path: Path) -> None:
    """Have the disk keep a file as it is, or the names in a folder. Raises OSError."""
    with contextlib.suppress(PermissionError):  # Windows opens no folders, and needs none of this
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # some file systems sync no folders
                raise
        finally:
            os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Have the disk keep everything in a folder as it is. Raises OSError."""
    for path in (*folder.rglob("*"), folder):
        sync(path)
