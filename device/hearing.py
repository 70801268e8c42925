"""Hears requests in an endless stream of blocks: wake word, then utterance, then the wake word again.

While nobody speaks, no recogniser listens: a voice-activity detector does, for a fraction of the cost. When it hears a
voice, the wake word is looked for from a little earlier on.

The last three seconds of sound are kept, and all of an utterance, so that the stream can be read again from an earlier
point: an utterance begins before its wake word, which is only sure half a second after it was said, and the next
wake word may be spoken while the quiet that ends an utterance is still being waited for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from device.audio_source import BLOCK, SAMPLE_RATE, Block
from device.decoys import SENSITIVITY
from device.recent_sound import RecentSound
from device.speech_models import SpeechModel
from device.transcriber import Transcriber
from device.utterance import LEAD, Heard, Mistaken, Utterance
from device.voice_activity import VoiceActivity
from device.wake_word import Wake, WakeWord

KEPT = 3 * SAMPLE_RATE  # samples of sound that can be read again while no utterance is open
BEFORE = 4 * SAMPLE_RATE // 10  # samples before a voice is noticed that are listened to: speech may begin softly
TRAIL = 3 * SAMPLE_RATE // 10  # samples after its last word in which a voice still belongs to a request
AFTER = 6 * SAMPLE_RATE // 10  # samples after a voice that are listened to: the wake word is not sure before
REFRACTORY = SAMPLE_RATE  # samples after a wake word in which none is taken for another call


@dataclass(frozen=True)
class Listening:
    """The wake word was just heard: time to light the ring."""

    wake: Wake


Event = Listening | Heard | Mistaken


class Hearing:
    """Turns blocks into events: every `Listening` is followed by its `Heard`, or by `Mistaken` if nobody called.

    Raises EchoError if the model does not know the wake word.
    """

    def __init__(self, model: SpeechModel, wake_word: str = "alexa", sensitivity: int = SENSITIVITY) -> None:
        """`sensitivity` is from 0 to 100: more hears more people, and more of what only sounds like the wake word."""
        self._word = wake_word
        self._voice = VoiceActivity()
        self._wake_word = WakeWord(model, wake_word, sensitivity)
        self._transcriber = Transcriber(model)
        self._utterance: Utterance | None = None
        self._recent = RecentSound(KEPT)
        self._read = 0  # samples of the stream that were listened to, or passed over because nobody spoke
        self._until = 0  # where listening for the wake word ends, unless there is a voice again
        self._earliest = 0  # nothing before it is listened to for the wake word: it was
        self._refractory = 0  # a wake word that begins before it is no call

    def hear(self, blocks: Iterable[Block]) -> Iterator[Event]:
        """Yield what is heard in `blocks`, to their end."""
        for block in blocks:
            yield from self.accept(block)
        yield from self.flush()

    def accept(self, block: Block) -> tuple[Event, ...]:
        """Listen to the next block. Return what happened by it: almost always nothing."""
        if block.size <= BLOCK:
            return self._take(block)
        pieces = (block[at : at + BLOCK] for at in range(0, block.size, BLOCK))
        return tuple(event for piece in pieces for event in self._take(piece))

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
        self._recent.forget()
        self._read = self._recent.end
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
        self._recent.forget()
        self._read = self._until = self._earliest = self._recent.end
        self._wake_word.move(self._read)

    def _take(self, block: Block) -> tuple[Event, ...]:
        self._recent.append(block)
        if self._voice.accept(block):
            self._hear_voice(self._recent.end - block.size)
        if self._utterance is None and self._read >= self._until:  # by far the most often
            self._read = self._recent.end
            self._recent.keep(KEPT)
            return ()
        events = tuple(self._catch_up())
        if self._utterance is None:
            self._recent.keep(KEPT)
        return events

    def _hear_voice(self, position: int) -> None:
        """Listen for the wake word again if nobody did, from a little before the voice on."""
        if self._utterance is None and self._read >= self._until:
            self._read = max(position - BEFORE, self._earliest, self._recent.start)
            self._wake_word.move(self._read)
        self._until = position + AFTER

    def _catch_up(self) -> Iterator[Event]:
        """Listen, block by block, to what has arrived and was not yet read, or is to be read again."""
        while self._read < self._recent.end:
            if self._utterance is None and self._read >= self._until:
                self._read = self._recent.end
                break
            piece = self._recent.piece(self._read, BLOCK)
            self._read += piece.size
            if self._utterance is not None:
                if outcome := self._utterance.accept(piece, voice=self._read < self._until):
                    yield self._idle(outcome)
            else:
                wake = self._wake_word.accept(piece)
                if wake is None and self._read >= self._until:
                    wake = self._wake_word.finish()
                if wake is not None and wake.start >= self._refractory:
                    yield self._listen(wake)

    def _listen(self, wake: Wake) -> Listening:
        """Begin a request, a little before its wake word."""
        self._read = max(wake.start - LEAD, self._recent.start)
        self._utterance = Utterance(self._transcriber, wake, self._read)
        return Listening(wake)

    def _idle(self, outcome: Heard | Mistaken) -> Heard | Mistaken:
        """Wait for the wake word again, from the last word of the request on."""
        self._utterance = None
        ended = outcome.wake.end
        if isinstance(outcome, Heard):
            self._refractory, ended = ended + REFRACTORY, outcome.speech_end
        self._read = self._earliest = max(ended, self._recent.start)
        if self._until - AFTER <= ended + TRAIL:  # nobody has spoken since
            self._until = self._read
        self._wake_word.move(self._read)
        return outcome
