"""From words to an intent and its slots, by the sentence templates in `cloud_stub/intents`.

The templates are data: the same files are sampled into sentences for the speech model, the fleet and the tests.

Many households ask for the same things, and to read a sentence takes hassil a good part of a millisecond. So how one
was read is remembered, but not the sentence: its digest, under a key that nobody else has, the intent, and where in the
sentence somebody's own words stand. They are cut from the sentence that is asked about then.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hassil import RecognizeResult

TEMPLATES = Path(__file__).parent.parent / "intents"

#: A minute of fast speech. Matching takes longer than linear time, so what is longer is not looked at.
MAX_WORDS = 200

#: How many readings are remembered at most, some ten megabytes; then it begins anew.
REMEMBERED = 20_000

#: Slots that hold somebody's own words: not even a "please" is taken out of them.
_VERBATIM = frozenset({"message", "fact"})

_PLEASE = re.compile(r"\s+please$", re.IGNORECASE)
_PLEASE_FIRST = re.compile(r"^please\s+", re.IGNORECASE)
_PUNCTUATION = re.compile(r"[.,;:!?…]+(?=\s|$)")


@dataclass(frozen=True)
class Understood:
    """The intent of a sentence and what was said in its slots, in the order it was said."""

    intent: str
    slots: tuple[tuple[str, str], ...] = ()

    def every(self, slot: str) -> list[str]:
        """All that was said in a slot, for those that can come more than once ("milk and eggs")."""
        return [value for name, value in self.slots if name == slot]

    def said(self, slot: str, default: str = "") -> str:
        """What was said in a slot."""
        return next(iter(self.every(slot)), default)


class Understanding:
    """The templates of one folder, ready to be matched."""

    def __init__(self, folder: Path = TEMPLATES) -> None:
        """Raises ValueError where the folder holds no templates, and hassil's errors for one that cannot be read."""
        paths = sorted(folder.glob("*.yaml"))
        if not paths:
            raise ValueError(f"{folder} holds no sentence templates. Expected one YAML file a family of requests.")
        # Only now: most commands understand nothing, and need not wait for it.
        from hassil import Intents  # noqa: PLC0415

        from cloud_stub.assistant.candidates import Candidates  # noqa: PLC0415

        self.intents = Intents.from_files(paths)
        self._candidates = Candidates(self.intents)
        self._key = secrets.token_bytes(16)
        self._known: dict[bytes, _Reading | None] = {}

    def understand(self, text: str) -> Understood | None:
        """The best reading of the text, or None where no template fits it or it is longer than MAX_WORDS."""
        text = _PUNCTUATION.sub("", text.replace("\u2019", "'"))
        # As soon as one of its own skip words is there, hassil skips all of them: "can you", too, of "what can you do".
        text = " ".join(_PLEASE_FIRST.sub("", text.strip()).split())
        if not text or text.count(" ") >= MAX_WORDS:
            return None
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).digest()
        if digest not in self._known:
            return self._read(text, digest)
        reading = self._known[digest]
        return None if reading is None else reading.of(text)

    def _read(self, text: str, digest: bytes) -> Understood | None:
        from hassil import recognize_all  # noqa: PLC0415 - see above

        words = frozenset(text.lower().split())
        readings = [
            reading for reading in recognize_all(text, self._candidates.of(text)) if _keeps_words_whole(reading, words)
        ]
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        if not readings:
            self._known[digest] = None
            return None
        best = min(readings, key=_preference)
        understood = _understood(best)
        reading = _reading(understood, [slot.is_wildcard for slot in best.entities_list], text)
        if reading is not None:
            self._known[digest] = reading
        return understood


@dataclass(frozen=True)
class _Reading:
    """How a sentence is read, without the words that are somebody's own."""

    intent: str
    slots: tuple[tuple[str, str | slice], ...]
    """What a slot holds: a value of the templates' lists, or where in the sentence it is said, in characters."""

    def of(self, text: str) -> Understood:
        """What that very sentence means."""
        said = ((name, found if isinstance(found, str) else text[found]) for name, found in self.slots)
        return Understood(self.intent, tuple(said))


def _reading(understood: Understood, own: list[bool], text: str) -> _Reading | None:
    """`own` tells of each slot whether its words are somebody's own. None where they do not stand in the text so."""
    slots: list[tuple[str, str | slice]] = []
    for (name, said), somebodys in zip(understood.slots, own, strict=True):
        start = text.find(said)
        if somebodys and start < 0:  # hassil has taken words out of their middle
            return None
        slots.append((name, slice(start, start + len(said)) if somebodys else said))
    return _Reading(understood.intent, tuple(slots))


def _understood(reading: "RecognizeResult") -> Understood:
    return Understood(
        reading.intent.name,
        tuple(
            (slot.name, _said(str(slot.value), verbatim=not slot.is_wildcard or slot.name in _VERBATIM))
            for slot in reading.entities_list
        ),
    )


def _keeps_words_whole(reading: "RecognizeResult", words: frozenset[str]) -> bool:
    """False where a slot starts or ends inside a word: hassil matches letters, and reads "samantha" as "sam"."""
    return all(words.issuperset(slot.text.lower().split()) for slot in reading.entities_list)


def _preference(reading: "RecognizeResult") -> tuple[int, int, int, str]:
    """Smallest for the reading that leaves least to wildcards, then that has most words of its template."""
    wild = [slot.text for slot in reading.entities_list if slot.is_wildcard]
    return len(wild), -reading.text_chunks_matched, sum(map(len, wild)), reading.intent.name


def _said(value: str, *, verbatim: bool) -> str:
    return value.strip() if verbatim else _PLEASE.sub("", value.strip())
