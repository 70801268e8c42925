"""One request: from the wake word to the end of speech.

Ends where Vosk's own end-pointer finds quiet after the words of a command. Who says only the wake word and then
thinks is waited for. Where it turns out in the end that nobody called, the sound goes no further.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device import second_opinion
from device.audio_source import SAMPLE_RATE, Block
from device.transcriber import Transcriber, Transcript
from device.wake_word import Wake

LEAD = 3 * SAMPLE_RATE // 10  # samples before the wake word, so that its first sound is whole
WAIT = 3 * SAMPLE_RATE  # samples after the wake word in which a command may begin
BEGINNING = SAMPLE_RATE  # samples from the beginning of a voice in which it must have become a word
LONGEST = 15 * SAMPLE_RATE  # samples of a request in all


@dataclass(frozen=True, eq=False)
class Heard:
    """A request as it was heard."""

    wake: Wake
    transcript: Transcript
    """The words after the wake word; empty if none came. Times are in ms since the start of `sound`."""
    sound: NDArray[np.int16]
    """16 kHz mono, shape (n,), from 0.3 s before the wake word to the end of speech: the recording to be stored."""
    started_at: int
    """Where `sound` starts, in samples since the beginning of the stream."""

    @property
    def speech_end(self) -> int:
        """Where the last word ends, in samples since the beginning of the stream."""
        last_ms = max((word.end_ms for word in self.transcript.words), default=0)
        return max(self.wake.end, self.started_at + last_ms * SAMPLE_RATE // 1000)


@dataclass(frozen=True)
class Mistaken:
    """There was no wake word after all. Nothing is kept of what was said."""

    wake: Wake


class Utterance:
    """Collects the request that follows `wake`, fed from `started_at` (samples of the stream) on."""

    def __init__(self, transcriber: Transcriber, wake: Wake, started_at: int) -> None:
        self._transcriber = transcriber
        self._transcriber.start()
        self._wake = wake
        self._started_at = started_at
        self._position = started_at
        self._sound: list[Block] = []

    def accept(self, block: Block, *, voice: bool = False) -> Heard | Mistaken | None:
        """Listen to the next samples, int16 of shape (n,). Return the outcome once it is over.

        `voice` is whether somebody may be speaking: words are known only a while after they have begun.
        """
        self._sound.append(block)
        self._position += block.size
        paused = self._transcriber.accept(block)
        if paused and self._wake.followed_by(self._transcriber.words, self._started_at):
            return self.finish()
        if self._position - self._started_at >= LONGEST:
            return self.finish()
        waited = self._position - self._wake.end
        if waited >= WAIT and (not voice or waited >= WAIT + BEGINNING) and not self._transcriber.speaking():
            return self.finish()
        return None

    def finish(self) -> Heard | Mistaken:
        """The request as far as it was heard."""
        everything = self._transcriber.finish().words
        sound, model = np.concatenate([np.empty(0, np.int16), *self._sound]), self._transcriber.model
        if not self._wake.pushed and not second_opinion.called(model, self._wake, everything, sound, self._started_at):
            return Mistaken(self._wake)
        words = self._wake.followed_by(everything, self._started_at)
        transcript = Transcript(" ".join(word.word for word in words), words)
        return Heard(self._wake, transcript, sound, self._started_at)
