"""The device itself: joins sound, hearing, outbox, uplink and light ring."""

import io
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import (
    Attention,
    Directive,
    Interaction,
    Refused,
    Settings,
    Source,
    Speak,
    new_id,
)
from device.attention import AttentionState
from device.audio_source import SAMPLE_RATE, Block
from device.errors import EchoError
from device.hearing import Event, Hearing, Listening
from device.outbox import Outbox
from device.speech_models import SpeechModel
from device.uplink import Uplink
from device.utterance import Mistaken

log = logging.getLogger(__name__)

#: How often the uplink is looked after while sound arrives, in blocks of 20 ms.
PUMP_BLOCKS = 10


@dataclass
class Exchange:
    """One interaction as the device saw it: what was heard, and what the cloud made of it."""

    interaction: Interaction
    intent: str = ""
    response: str = ""
    answer: str = ""
    """stored, forgotten or refused, once the cloud has said so."""

    def settled(self) -> bool:
        """Whether everything that can be expected has come."""
        spoken = bool(self.response) or not self.interaction.transcript or self.answer == "refused"
        return bool(self.answer) and spoken


class Echo:
    """An emulated smart speaker. One thread: whoever calls `listen`, `settle` or `attend` does its work."""

    def __init__(
        self,
        device: str,
        data: Path,
        broker: BrokerAddress,
        model: SpeechModel,
        *,
        wake_word: str = "alexa",
        show: Callable[[Attention], None] = lambda _: None,
        say: Callable[[Exchange], None] = lambda _: None,
    ) -> None:
        """`show` is told of every attention state, `say` of every answer. Raises EchoError where something is amiss."""
        self.device = device
        self.exchanges: deque[Exchange] = deque(maxlen=1000)
        self._model = model
        self._hearing = Hearing(model, wake_word)
        self.outbox = Outbox(data / "devices" / device)
        self.uplink = Uplink(device, broker, self.outbox)
        self._attention = AttentionState(show, self.uplink.show)
        self._say = say
        self._woken_at = datetime.now(UTC)

    def listen(self, blocks: Iterable[Block], source: Source) -> None:
        """Hear `blocks` (int16, 20 ms each at 16 kHz) to their end: interactions go to the outbox as they are heard."""
        for number, block in enumerate(blocks):
            for event in self._hearing.accept(block):
                self._take(event, source)
            if number % PUMP_BLOCKS == 0:
                self.attend()
        for event in self._hearing.flush():
            self._take(event, source)

    def attend(self, wait_s: float = 0.0) -> None:
        """Send and receive; shows and says what has come."""
        for directive in self.uplink.pump(wait_s):
            self._receive(directive)

    def settle(self, timeout_s: float) -> None:
        """Wait until the cloud has answered everything. Raises EchoError after `timeout_s` seconds in vain."""
        deadline = time.monotonic() + timeout_s
        while len(self.outbox) or not all(exchange.settled() for exchange in self.exchanges):
            if time.monotonic() > deadline:
                raise EchoError(
                    f"the cloud has not answered within {timeout_s:.0f} s; {len(self.outbox)} message(s) wait in the "
                    "outbox. Is `cloud-stub serve` running on the same broker?"
                )
            self.attend(wait_s=0.1)
        self.attend()

    def close(self) -> None:
        """Go offline. What the cloud has not answered stays in the outbox for the next start."""
        self.uplink.close()
        self.outbox.close()

    def _take(self, event: Event, source: Source) -> None:
        if isinstance(event, Listening):
            self._woken_at = datetime.now(UTC)
            self._attention.to("listening")
            return
        if isinstance(event, Mistaken):
            self._attention.to("idle")
            return
        self._attention.to("thinking")
        interaction = Interaction(
            id=new_id(self._woken_at),
            device=self.device,
            at=self._woken_at,
            source=source,
            wake_word=event.wake.word,
            transcript=event.transcript.text,
            words=list(event.transcript.words),
            model=self._model.name,
            has_recording=True,
        )
        # Shown as heard only once it is in the outbox: what was shown is not lost.
        self.outbox.put(interaction, _flac(event.sound))
        self.exchanges.append(Exchange(interaction))
        self._attention.to("idle" if not interaction.transcript else "thinking")

    def _receive(self, directive: Directive) -> None:
        exchange = next((e for e in reversed(self.exchanges) if e.interaction.id == directive.interaction), None)
        if exchange is None:
            return
        if isinstance(directive, Speak):
            exchange.intent, exchange.response = directive.intent, directive.text
            if self._attention.now in {"thinking", "idle"}:
                self._attention.to("speaking")
                self._say(exchange)
                self._attention.to("idle")
            else:
                self._say(exchange)
        elif not isinstance(directive, Settings) and directive.part == "interaction":
            exchange.answer = directive.name
            if isinstance(directive, Refused):
                log.warning("the cloud refused an interaction: %s", directive.reason)
                if self._attention.now == "thinking":
                    self._attention.to("idle")


def _flac(sound: NDArray[np.int16]) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()
