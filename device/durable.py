"""Files and folders that are on the disk, with the name that they stand under, when a function here returns."""

import os
from pathlib import Path

from cloud_stub.contract.durable import make_folder, sync

__all__ = ["make_folder", "replace", "sync", "sync_tree", "write"]


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


def sync_tree(folder: Path) -> None:
    """Have the disk keep everything in a folder as it is. Raises OSError."""
    for path in (*folder.rglob("*"), folder):
        sync(path)
