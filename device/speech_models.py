"""Finds and loads Vosk models. A small English one ships with the device and is the default."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.errors import EchoError

DEFAULT = "echo-small-en"
"""Name of the model that ships with the device."""

SHIPPED = Path(__file__).parent / "models"

UNKNOWN = "[unk]"
"""What Vosk writes for a sound that is no word of its vocabulary; our models, too, are made so."""


@dataclass(frozen=True)
class SpeechModel:
    """A Vosk model in memory; any number of recognisers share it."""

    name: str
    path: Path
    vosk_model: Any
    """The `vosk.Model`."""

    def knows(self, word: str) -> bool:
        """Whether the word is in the model's vocabulary, so that it can be heard."""
        return bool(self.vosk_model.vosk_model_find_word(word) >= 0)


def locate(name_or_path: str | None = None) -> Path:
    """The folder of a model: None is the one that ships; else the name of one that is here, or a path.

    Raises EchoError if there is no such folder.
    """
    if name_or_path is None:
        return SHIPPED / DEFAULT
    path = installed().get(name_or_path) or Path(name_or_path).expanduser()
    if not path.is_dir():
        raise EchoError(
            f"There is no folder {str(path)!r}. Give {DEFAULT!r} or the folder of an unpacked Vosk model; "
            "`echo-device models` lists those that are here, and those to be had."
        )
    return path


def installed() -> dict[str, Path]:
    """The models that are here, by name: the one that ships, then those in the folders that Vosk itself looks into."""
    found = {DEFAULT: SHIPPED / DEFAULT}
    for folder in _vosk_folders():
        with suppress(OSError):  # not there, or not for us to read
            for path in sorted(folder.iterdir()):
                if path.name not in found and _is_model(path):
                    found[path.name] = path
    return found


def download_folder() -> Path:
    """Where a model is put that is downloaded: where Vosk itself would put it, so that other programs find it too."""
    return Path(os.environ.get("VOSK_MODEL_PATH") or Path.home() / ".cache" / "vosk")


def _vosk_folders() -> tuple[Path, ...]:
    """Source: MODEL_DIRS in the Python package of Vosk 0.3.45."""
    return download_folder(), Path("/usr/share/vosk"), Path.home() / "AppData/Local/vosk", Path.home() / ".cache/vosk"


def load(path: Path) -> SpeechModel:
    """Load the model in the folder `path`; the shipped one takes 20 ms.

    Raises EchoError if it is no Vosk model, or a damaged one. What is there is checked first, and a recogniser is made
    for proof: Vosk opens the decoding graph only then, and without silence phones it ends the whole process.
    """
    check(path)
    import vosk  # noqa: PLC0415 - loads Kaldi

    vosk.SetLogLevel(-1)
    try:
        with _quiet():
            model = vosk.Model(str(path))
            vosk.KaldiRecognizer(model, 16_000)
    except Exception as error:  # Vosk raises nothing more precise
        raise EchoError(f"The Vosk model in {str(path)!r} is damaged: {error}. Unpack it again.") from error
    return SpeechModel(path.resolve().name, path, model)


def words(path: Path) -> frozenset[str]:
    """The words that the model in `path` can hear; empty where it does not say.

    Source: Kaldi's symbol table `words.txt`, in `graph` or, in the old flat layout, beside it: a word and its number a
    line; entries that begin with `<`, `#` or `[` are the decoder's own.
    """
    table = _word_table(path)
    if table is None:
        return frozenset()
    symbols = (
        line.split()[0] for line in table.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
    )
    return frozenset(symbol for symbol in symbols if symbol[0] not in "<#[")


def _word_table(path: Path) -> Path | None:
    return next((file for file in (path / "graph" / "words.txt", path / "words.txt") if file.is_file()), None)


def check(path: Path) -> None:
    """Raise EchoError unless `path` looks like a Vosk model, of the present layout (am, conf) or the old flat one."""
    if not _is_model(path):
        raise EchoError(f"{str(path)!r} is no Vosk model: am/final.mdl or conf/model.conf is missing. Choose another.")
    settings = path / "conf" / "model.conf"
    if settings.is_file() and "--endpoint.silence-phones" not in settings.read_text("utf-8", errors="replace"):
        raise EchoError(f"{str(settings)!r} names no silence phones. Unpack the Vosk model again.")
    table = _word_table(path)
    if table is not None and not table.read_bytes().endswith(b"\n"):  # Vosk would not know the words that are missing
        raise EchoError(f"The Vosk model in {str(path)!r} is damaged: {table.name} breaks off. Unpack it again.")


def _is_model(path: Path) -> bool:
    present = (path / "am" / "final.mdl").is_file() and (path / "conf" / "model.conf").is_file()
    return present or ((path / "final.mdl").is_file() and (path / "mfcc.conf").is_file())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Kaldi writes to the C library's stderr off the terminal: it repeats, at length, what we say."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
