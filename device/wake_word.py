"""Hears the wake word in a stream of blocks.

A Vosk recogniser that knows two words, the wake word and `[unk]`, listens all the time. Its guess at the sentence so
far (the partial result) changes about every 0.24 s of sound, and the wake word comes and goes in it: digital silence
alone can bring it up once. So a guess must stand for longer than one change, and then the recogniser is asked for its
final word: how long the wake word lasted and how sure it is.
"""

import json
from dataclasses import dataclass
from typing import Any

from device.audio_source import SAMPLE_RATE, Block
from device.errors import EchoError
from device.speech_models import SpeechModel

PERSISTS = 0.30  # seconds that the word must stand in the partial result: more than one change of it
SHORTEST, LONGEST = 0.2, 1.2  # seconds that a spoken wake word lasts
CONFIDENCE = 0.5  # of 1; a measure of the decoder, not a probability: nearly all that pass have 1.0
RENEW = 600 * SAMPLE_RATE  # samples: Vosk counts in 32 bits and starts anew itself after about this long


@dataclass(frozen=True)
class Wake:
    """The wake word was said: where in the stream, in samples since its beginning, and how surely (0 to 1)."""

    word: str
    start: int
    end: int
    confidence: float
    pushed: bool = False
    """It was not said: a button took its place."""


class WakeWord:
    """Listens for one wake word.

    Raises EchoError if the word is not in the model's vocabulary: it could never be heard.
    """

    def __init__(self, model: SpeechModel, word: str = "alexa", confidence: float = CONFIDENCE) -> None:
        if model.vosk_model.vosk_model_find_word(word) < 0:
            raise EchoError(f"The model {model.name!r} does not know the word {word!r}. Choose another wake word.")
        self._model = model
        self._word = word
        self._confidence = confidence
        self.position = 0
        """Samples of the stream so far, heard or skipped."""
        self.reset()

    def reset(self) -> None:
        """Forget what was heard; the count of samples goes on."""
        import vosk  # noqa: PLC0415 - loads Kaldi

        grammar = json.dumps([self._word, "[unk]"])
        self._recogniser: Any = vosk.KaldiRecognizer(self._model.vosk_model, SAMPLE_RATE, grammar)
        self._recogniser.SetWords(True)
        self._began = self.position
        self._standing = 0  # samples for which the partial result has held the word

    def skip(self, samples: int) -> None:
        """Pass over `samples` (back if negative) that somebody else listens to, and begin anew after them."""
        self.position += samples
        self.reset()

    def accept(self, block: Block) -> Wake | None:
        """Listen to the next samples, int16 of shape (n,). Return the wake word if it is now sure."""
        self.position += block.size
        if self._recogniser.AcceptWaveform(block.tobytes()):  # quiet after speech, or a long quiet
            wake = self._confirm(self._recogniser.Result())
            self._standing = 0
            if self.position - self._began > RENEW:
                self.reset()
            return wake
        guess = json.loads(self._recogniser.PartialResult()).get("partial", "")
        self._standing = self._standing + block.size if self._word in guess.split() else 0
        return self.finish() if self._standing >= PERSISTS * SAMPLE_RATE else None

    def finish(self) -> Wake | None:
        """Decide on what was heard so far, as at the end of a stream, and begin anew."""
        wake = self._confirm(self._recogniser.FinalResult())
        self.reset()
        return wake

    def _confirm(self, result: str) -> Wake | None:
        """The last wake word in a result that lasts as long as one does and is sure enough."""
        for heard in reversed(json.loads(result).get("result", [])):
            lasts = heard["end"] - heard["start"]
            if heard["word"] == self._word and heard["conf"] >= self._confidence and SHORTEST <= lasts <= LONGEST:
                start, end = (self._began + round(heard[edge] * SAMPLE_RATE) for edge in ("start", "end"))
                return Wake(self._word, start, end, min(1.0, heard["conf"]))
        return None
