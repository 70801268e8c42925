"""Hears the wake word in a stream of blocks.

A Vosk recogniser that knows the wake word and `[unk]`, any other sounds, listens. It is to lose no call, and wakes at
much that only sounds like one: `second_opinion` decides when the request is over.

The recogniser's guess at the sentence so far (the partial result) changes about every 0.24 s of sound, and the wake
word comes and goes in it: digital silence alone can bring it up once. So a guess must stand for longer than one change,
and then the recogniser is asked for its final word: how long the wake word lasted and how sure it is.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cloud_stub.contract.messages import Word
from device.audio_source import BLOCK, SAMPLE_RATE, Block
from device.decoys import SENSITIVITY
from device.errors import EchoError
from device.speech_models import UNKNOWN, SpeechModel

PERSISTS = 0.30  # seconds that the word must stand in the partial result: more than one change of it
SHORTEST, LONGEST = 0.2, 1.2  # seconds that a spoken wake word lasts
LOOK = 3 * BLOCK  # samples from one look at the partial result to the next: it changes every twelfth block

RENEW = 4 * SAMPLE_RATE  # samples of speech without a pause until the recogniser begins anew: it slows down threefold
OVERLAP = 6 * SAMPLE_RATE // 5  # samples that it then hears again: a wake word may be in them


@dataclass(frozen=True)
class Wake:
    """The wake word was said: where in the stream, in samples since its beginning, and how surely (0 to 1)."""

    word: str
    start: int
    end: int
    confidence: float
    pushed: bool = False
    """It was not said: a button took its place."""

    def times(self, began: int) -> tuple[float, float]:
        """Its start and end in ms since sample `began` of the stream, as the times of words are."""
        return (self.start - began) * 1000 / SAMPLE_RATE, (self.end - began) * 1000 / SAMPLE_RATE

    def followed_by(self, words: Sequence[Word], began: int) -> tuple[Word, ...]:
        """Those of the words that come after it: that lie, mostly, behind its end. Their times count from `began`."""
        after = tuple(word for word in words if (word.start_ms + word.end_ms) / 2 >= self.times(began)[1])
        return after[1:] if after and after[0].word == self.word else after


class WakeWord:
    """Listens for one wake word.

    Raises EchoError if the word is not in the model's vocabulary: it could never be heard.
    """

    def __init__(self, model: SpeechModel, word: str = "alexa", sensitivity: int = SENSITIVITY) -> None:
        if not model.knows(word):
            raise EchoError(f"The model {model.name!r} does not know the word {word!r}. Choose another wake word.")
        self._model = model
        self._word = word
        self._grammar = json.dumps([word, UNKNOWN])
        # 0.65 unless told otherwise: people hardly ever stay below it, and ordinary talk seldom lights the ring.
        self._confidence = 1 - (sensitivity / 100) ** 1.5
        self.position = 0
        """Samples of the stream so far, heard or skipped."""
        self.reset()

    def reset(self) -> None:
        """Forget what was heard; the count of samples goes on."""
        self._recogniser: Any = None  # made when there is something to hear
        self._began = self.position
        self._standing = 0  # samples for which the partial result has held the word
        self._unseen = 0  # samples since the last look at it
        self._tail: list[Block] = []  # what it has heard

    def move(self, position: int) -> None:
        """Begin anew at `position` in the stream."""
        self.position = position
        self.reset()

    def accept(self, block: Block) -> Wake | None:
        """Listen to the next samples, int16 of shape (n,). Return the wake word if it is now sure."""
        self.position += block.size
        if self._recogniser is None:
            self._recogniser = self._new()
        if self._recogniser.AcceptWaveform(block.tobytes()):  # quiet after speech, or a long quiet
            wake = self._confirm(self._recogniser.Result())
            self.reset()
            return wake
        self._tail.append(block)
        self._unseen += block.size
        if self._unseen < LOOK:
            return None
        guess = json.loads(self._recogniser.PartialResult()).get("partial", "")
        self._standing = self._standing + self._unseen if self._word in guess.split() else 0
        self._unseen = 0
        if self._standing >= PERSISTS * SAMPLE_RATE:
            return self.finish()
        if self.position - self._began >= RENEW and not self._standing:
            self._renew()
        return None

    def finish(self) -> Wake | None:
        """Decide on what was heard so far, as at the end of a stream, and begin anew."""
        wake = self._confirm(self._recogniser.FinalResult()) if self._recogniser is not None else None
        self.reset()
        return wake

    def _renew(self) -> None:
        """Begin anew, a little earlier in the stream."""
        again = np.concatenate(self._tail)[-OVERLAP:]
        self.reset()
        self._began -= again.size
        self._tail = [again]
        self._recogniser = self._new()
        self._recogniser.AcceptWaveform(again.tobytes())

    def _new(self) -> Any:
        import vosk  # noqa: PLC0415 - loads Kaldi

        recogniser = vosk.KaldiRecognizer(self._model.vosk_model, SAMPLE_RATE, self._grammar)
        recogniser.SetWords(True)
        return recogniser

    def _confirm(self, result: str) -> Wake | None:
        """The last wake word in a result that lasts as long as one does and is sure enough."""
        for heard in reversed(json.loads(result).get("result", [])):
            lasts = heard["end"] - heard["start"]
            if heard["word"] == self._word and heard["conf"] >= self._confidence and SHORTEST <= lasts <= LONGEST:
                start, end = (self._began + round(heard[edge] * SAMPLE_RATE) for edge in ("start", "end"))
                return Wake(self._word, start, end, min(1.0, heard["conf"]))
        return None
