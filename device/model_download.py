"""Fetches an official model: downloads its archive, checks it, and unpacks it where Vosk itself looks for models.

Nothing that is half there can be taken for a model: all is done in a temporary folder beside the place, and the model's
folder appears there at the end, whole. What a killed download leaves of that, the next one removes.
"""

import hashlib
import http.client
import os
import shutil
import ssl
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from device import durable, speech_models
from device.errors import EchoError
from device.official_models import SITE, OfficialModel, reach

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PIECE = 1 << 18  # bytes
_PREFIX = ".download-"
GROWTH = 20  # times its archive that a model may be large: the official ones grow threefold at most


def download(
    model: OfficialModel,
    folder: Path,
    site: str = SITE,
    tell: Callable[[int], None] = lambda _: None,
) -> Path:
    """Put the model into `folder` and return its path; `tell` hears how many bytes have come, again and again.

    Raises EchoError, and leaves nothing behind, where the site cannot be reached, the download breaks off, it is not
    the archive of the list, it holds something that does not belong there, or the disk is full.
    """
    place = folder / model.name
    if place.exists():
        raise EchoError(f"{place} is there already. Use it: --model {model.name}; or remove it first.")
    try:
        durable.make_folder(folder)
        with _workplace(folder) as temporary:
            archive = temporary / "archive.zip"
            _fetch(model, f"{site}{model.name}.zip", archive, folder, tell)
            _unpack(archive, model, temporary)
            speech_models.check(temporary / model.name)
            # First what is in it: a power cut must not leave the name, and files that are empty.
            durable.sync_tree(temporary / model.name)
            (temporary / model.name).rename(place)
            durable.sync(folder)
    except OSError as error:
        raise EchoError(f"{folder} cannot take the model: {error.strerror or error}. Make room, or mend it.") from error
    return place


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A temporary folder, locked while it is worked in. Those that are not locked are of killed downloads: they go."""
    with ExitStack() as work:
        with _locked(folder, wait=True) as alone:  # or somebody could find ours before it is locked
            for other in folder.glob(f"{_PREFIX}*") if alone else ():
                with _locked(other) as left:
                    if left:
                        shutil.rmtree(other, ignore_errors=True)
            temporary = Path(work.enter_context(TemporaryDirectory(prefix=_PREFIX, dir=folder)))
            work.enter_context(_locked(temporary))
        yield temporary


@contextmanager
def _locked(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Lock a folder while this block runs, or until we are killed; False where somebody else has, or it cannot be done.

    It cannot on Windows and on some network file systems.
    """
    if fcntl is None:
        yield False
        return
    with ExitStack() as lock:
        try:
            descriptor = os.open(folder, os.O_RDONLY)
            lock.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            locked = True
        except OSError:
            locked = False
        yield locked


def _fetch(model: OfficialModel, address: str, archive: Path, folder: Path, tell: Callable[[int], None]) -> None:
    elsewhere = f"On a machine with internet, fetch {address}; copy it here, and unpack it into {folder}"
    digest, come = hashlib.md5(usedforsecurity=False), 0  # all that the list has; the way there is encrypted
    with reach(address, elsewhere) as answer, archive.open("wb") as file:
        expected = int(answer.headers.get("Content-Length") or model.size)
        try:
            while piece := answer.read(PIECE):
                file.write(piece)
                digest.update(piece)
                come += len(piece)
                tell(come)
                if come > expected:
                    break
        except (TimeoutError, ConnectionError, ssl.SSLError, http.client.HTTPException) as error:
            raise EchoError(
                f"The download broke off after {come} of {expected} bytes: {error}. Run it again."
            ) from error
    if come < expected:
        raise EchoError(f"The download broke off after {come} of {expected} bytes. Run it again.")
    if (digest.hexdigest() != model.md5) if model.md5 else (come != model.size):
        raise EchoError(
            f"What came from {address} is not the model of the list: its checksum or size is another. Run it again; if "
            "that does not help, see whether the list has changed: echo-device models --online"
        )


def _unpack(archive: Path, model: OfficialModel, target: Path) -> None:
    """Unpack what lies in the model's own folder. Raises EchoError for anything else, before a byte is written."""
    try:
        with zipfile.ZipFile(archive) as content:
            members = content.infolist()
            for member in members:
                path = PurePosixPath(member.filename)
                strange = "\\" in member.filename or ".." in path.parts or stat.S_ISLNK(member.external_attr >> 16)
                if strange or path.parts[:1] != (model.name,):
                    raise EchoError(
                        f"The archive of {model.name} holds {member.filename!r}, which does not belong there. "
                        "Do not use it; tell those who published it."
                    )
            needed = sum(member.file_size for member in members)
            if needed > GROWTH * max(archive.stat().st_size, PIECE):
                raise EchoError(f"The archive of {model.name} would unpack to {needed} bytes. Do not use it.")
            if needed > shutil.disk_usage(target).free:
                raise EchoError(f"{model.name} needs {needed} bytes; the disk has less left. Make room.")
            content.extractall(target)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise EchoError(f"The archive of {model.name} is damaged: {error}. Run it again.") from error
