"""Folders, and the names in them, that the disk has when a function here returns.

Both programs promise to keep what they were told, so it lies where both may import from.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make the folder, with that mode, and those above it that are missing. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=mode, exist_ok=True)
    sync(folder.parent)


def sync(path: Path) -> None:
    """Have the disk keep a file as it is, or the names in a folder. Raises OSError."""
    with suppress(PermissionError):  # Windows opens no folders, and needs none of this
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # some file systems sync no folders
                raise
        finally:
            os.close(descriptor)
