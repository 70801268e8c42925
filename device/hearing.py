"""Hears requests in an endless stream of blocks: wake word, then utterance, then the wake word again.

The last three seconds of sound are kept, and all of an utterance, so that the stream can be read again from an earlier
point: an utterance begins before its wake word, which is only sure half a second after it was said, and the next
wake word may be spoken while the quiet that ends an utterance is still being waited for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device.audio_source import BLOCK, SAMPLE_RATE, Block
from device.speech_models import SpeechModel
from device.transcriber import Transcriber
from device.utterance import LEAD, Heard, Mistaken, Utterance
from device.wake_word import Wake, WakeWord

KEPT = 3 * SAMPLE_RATE  # samples of sound that can be read again while no utterance is open


@dataclass(frozen=True)
class Listening:
    """The wake word was just heard: time to light the ring."""

    wake: Wake


Event = Listening | Heard | Mistaken


class Hearing:
    """Turns blocks into events: every `Listening` is followed by its `Heard`, or by `Mistaken` if nobody called.

    Raises EchoError if the model does not know the wake word.
    """

    def __init__(self, model: SpeechModel, wake_word: str = "alexa") -> None:
        self._word = wake_word
        self._wake_word = WakeWord(model, wake_word)
        self._transcriber = Transcriber(model)
        self._utterance: Utterance | None = None
        self._recent: NDArray[np.int16] = np.empty(0, np.int16)
        self._arrived = 0  # samples of the stream so far; `_recent` ends here
        self._read = 0  # samples of the stream that were listened to

    def hear(self, blocks: Iterable[Block]) -> Iterator[Event]:
        """Yield what is heard in `blocks`, to their end."""
        for block in blocks:
            yield from self.accept(block)
        yield from self.flush()

    def accept(self, block: Block) -> tuple[Event, ...]:
        """Listen to the next block. Return what happened by it: almost always nothing."""
        self._recent = np.concatenate([self._recent, block])
        self._arrived += block.size
        events = tuple(self._catch_up())
        if self._utterance is None:
            self._recent = self._recent[-KEPT:]
        return events

    def flush(self) -> tuple[Event, ...]:
        """End the stream: decide on what is half heard."""
        events: list[Event] = []
        if self._utterance is None and (wake := self._wake_word.finish()):
            events += [self._listen(wake), *self._catch_up()]
        if self._utterance is not None:
            events.append(self._idle(self._utterance.finish()))
        return tuple(events)

    def begin(self) -> Listening | None:
        """Begin a request at once, as when a button is pushed; with what is said from now on. None if one is open."""
        if self._utterance is not None:
            return None
        self._read = self._arrived
        self._recent = self._recent[:0]
        wake = Wake(self._word, self._read, self._read, 1.0, pushed=True)
        self._utterance = Utterance(self._transcriber, wake, self._read)
        return Listening(wake)

    @property
    def open(self) -> bool:
        """Whether a request is being listened to: then more sound is kept than the last three seconds."""
        return self._utterance is not None

    def forget(self) -> None:
        """Drop every sound that is kept and a request that is half heard, as when the microphone is switched off."""
        self._utterance = None
        self._recent = self._recent[:0]
        self._read = self._arrived
        self._wake_word.skip(self._read - self._wake_word.position)

    def _catch_up(self) -> Iterator[Event]:
        """Listen, block by block, to what has arrived and was not yet read, or is to be read again."""
        while self._read < self._arrived:
            oldest = self._arrived - self._recent.size
            piece = self._recent[self._read - oldest :][:BLOCK]
            self._read += piece.size
            if self._utterance is not None:
                if outcome := self._utterance.accept(piece):
                    yield self._idle(outcome)
            elif wake := self._wake_word.accept(piece):
                yield self._listen(wake)

    def _listen(self, wake: Wake) -> Listening:
        """Begin a request, a little before its wake word."""
        self._go_back(wake.start - LEAD)
        self._utterance = Utterance(self._transcriber, wake, self._read)
        return Listening(wake)

    def _idle(self, outcome: Heard | Mistaken) -> Heard | Mistaken:
        """Wait for the wake word again, from the last word of the request on."""
        self._utterance = None
        self._go_back(outcome.speech_end if isinstance(outcome, Heard) else outcome.wake.end)
        self._wake_word.skip(self._read - self._wake_word.position)
        return outcome

    def _go_back(self, position: int) -> None:
        """Read on from `position` in the stream, or from the oldest sound that is kept."""
        self._read = max(position, self._arrived - self._recent.size)
