"""Vosk: blocks in, words with their times and confidences out, while they are spoken."""

import json
from dataclasses import dataclass
from typing import Any

from cloud_stub.contract.messages import Word
from device.audio_source import SAMPLE_RATE, Block
from device.speech_models import SpeechModel


@dataclass(frozen=True)
class Transcript:
    """What was said. `text` is the words with blanks between; a word that the model could not name is `[unk]`."""

    text: str
    words: tuple[Word, ...]


class Transcriber:
    """Writes down one stretch of speech after the other: `start`, `accept` its blocks, `finish`."""

    def __init__(self, model: SpeechModel) -> None:
        self.model = model
        self.words: list[Word] = []
        """The words of the stretches that Vosk has ended; one time line in ms since `start`."""

    def start(self) -> None:
        """Begin anew: word times count from here."""
        import vosk  # noqa: PLC0415 - loads Kaldi

        self._recogniser: Any = vosk.KaldiRecognizer(self.model.vosk_model, SAMPLE_RATE)
        self._recogniser.SetWords(True)
        self.words = []

    def accept(self, block: Block) -> bool:
        """Listen to the next samples, int16 of shape (n,). True at Vosk's end-point: quiet after speech."""
        ended = bool(self._recogniser.AcceptWaveform(block.tobytes()))
        if ended:
            self._take(self._recogniser.Result())
        return ended

    def speaking(self) -> bool:
        """Whether there are words since the last end-point."""
        return bool(json.loads(self._recogniser.PartialResult()).get("partial"))

    def finish(self) -> Transcript:
        """Everything said since `start`."""
        self._take(self._recogniser.FinalResult())
        return Transcript(" ".join(word.word for word in self.words), tuple(self.words))

    def _take(self, result: str) -> None:
        for heard in json.loads(result).get("result", []):
            start_ms, end_ms = (max(0, round(heard[edge] * 1000)) for edge in ("start", "end"))
            self.words.append(Word(heard["word"], start_ms, end_ms, min(1.0, max(0.0, heard["conf"]))))
