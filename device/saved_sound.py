"""Saved sound: the recording of each request as a file that the user can listen to. Off unless a folder is named.

It obeys the same deletions as the cloud's copy. A file is overwritten with zeros, which are forced to the disk, and
then unlinked. On a file system that writes elsewhere than it reads (copy on write), on a flash drive and in backups the
old blocks may still exist; nothing a program does to a file reaches those.
"""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from cloud_stub.contract.messages import ID_PATTERN
from device import durable
from device.errors import EchoError


class SavedSound:
    """A folder of FLAC files named by their interactions' ids."""

    def __init__(self, folder: Path) -> None:
        """Raises EchoError where the folder cannot be made or written."""
        self.folder = folder
        try:
            durable.make_folder(folder, 0o700)
        except OSError as error:
            raise EchoError(f"sound cannot be saved in {folder}: {error}. Choose another --save-audio.") from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise EchoError(f"sound cannot be saved in {folder}: it is not ours to write. Choose another --save-audio.")

    def announcement(self, data: Path) -> str:
        """What the person in the room is told: that sound is saved, where, and whether retention knows of it."""
        if self.folder.resolve().is_relative_to(data.resolve()):
            return f"saving the sound of every request in {self.folder}; deletions reach it"
        return (
            f"saving the sound of every request in {self.folder}, not under retention: deletions reach the files of "
            "this device, but no report looks there"
        )

    def save(self, interaction: str, flac: bytes) -> None:
        """Write a recording. Raises EchoError where the disk is full; then nothing of it is left."""
        file = self._file(interaction)
        try:
            # In its place, not beside it: what a crash leaves of it has the name that a deletion looks for.
            durable.write(file, flac)
        except OSError as error:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
            raise EchoError(
                f"sound cannot be saved in {self.folder}: {error.strerror}. Free some disk space."
            ) from error

    def forget(self, interactions: Iterable[str]) -> None:
        """Erase the recordings of these interactions. Raises EchoError where that cannot be done."""
        try:
            for file in filter(Path.is_file, map(self._file, interactions)):
                with file.open("r+b") as sound:
                    sound.write(bytes(file.stat().st_size))
                    sound.flush()
                    os.fsync(sound.fileno())
                file.unlink()
                durable.sync(self.folder)
        except OSError as error:
            raise EchoError(
                f"saved sound cannot be erased in {self.folder}: {error.strerror}. Erase it by hand."
            ) from error

    def _file(self, interaction: str) -> Path:
        if not re.match(ID_PATTERN, interaction):  # it names a file: nothing else may
            raise ValueError(f"{interaction!r} is no interaction's id.")
        return self.folder / f"{interaction}.flac"
