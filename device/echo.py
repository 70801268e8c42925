"""The device itself: joins sound, hearing, outbox, uplink, voice and light ring."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import (
    Attention,
    DeviceError,
    Directive,
    Interaction,
    Source,
    State,
    Word,
    new_id,
)
from device import unheard
from device.attention import AttentionState
from device.audio_source import Block, flac
from device.capture import Capture
from device.control import obey, press
from device.conversation import Conversation
from device.decoys import SENSITIVITY
from device.errors import EchoError
from device.exchange import Exchange
from device.hearing import Event, Hearing, Listening
from device.home_assistant import discovery
from device.keeping import Bounds, Keeping
from device.panel import Panel
from device.ringing import Ringing
from device.speech_models import SpeechModel
from device.switches import Switches
from device.tls import Tls
from device.uplink import Uplink
from device.utterance import Mistaken
from device.voice import Voice

#: How often the uplink is looked after while sound arrives, in blocks of 20 ms.
PUMP_BLOCKS = 10

#: What, said while something rings, stops it: at once, and offline too.
STOP_WORDS = {"stop", "stop the alarm", "stop my alarm", "stop the timer", "stop my timer", "cancel", "be quiet"}


class Echo:
    """An emulated smart speaker. One thread: whoever calls `live`, `listen`, `settle` or `attend` does its work."""

    def __init__(
        self,
        device: str,
        data: Path,
        broker: BrokerAddress,
        model: SpeechModel,
        *,
        wake_word: str = "alexa",
        sensitivity: int = SENSITIVITY,
        voice: bool = False,
        show: Callable[[Attention], None] = lambda _: None,
        say: Callable[[Exchange], None] = lambda _: None,
        tell: Callable[[str], None] = lambda _: None,
        bounds: Bounds = Bounds(),
        tls: Tls | None = None,
        home_assistant: bool = False,
        panel: Panel | None = None,
        words: bool = True,
    ) -> None:
        """`show` is told of every attention state, `say` of every answer, `tell` of what a person should know.

        `panel` shows every state that is published, and is pressed; whoever opened it closes it. Where what `tell` is
        told goes to a log, `words` False keeps what people said out of it.

        Raises EchoError where something is amiss.
        """
        self.device = device
        self.wake_word = wake_word
        self._conversation = Conversation()
        self.exchanges = self._conversation.exchanges
        self.capture: Capture | None = None
        self.injected: deque[Sequence[Block]] = deque()
        """Sounds that came by control and wait to be heard."""
        self._model = model
        self._sensitivity = sensitivity
        self._hearing = self._listener()
        self.keeping = Keeping(data / "devices" / device, bounds)
        self.outbox = self.keeping.outbox
        self.switches = Switches(data / "devices" / device)
        self.uplink = Uplink(device, broker, self.outbox, tls, discovery(device) if home_assistant else None)
        self._attention = AttentionState(show, self._publish)
        self._say, self._tell, self._words = say, tell, words
        self._voice = Voice() if voice else None
        self._ringing = Ringing(self.keeping, tell, words=words)
        self._panel = panel
        self._trouble = ""
        self._woken_at = self.keeping.clock.now()

    def live(self, capture: Capture, until: Callable[[], bool] = lambda: False) -> None:
        """Hear the room, obey control commands, keep in touch with the cloud, until `until` says so.

        Raises EchoError where the broker refuses us.
        """
        self.capture, self._trouble = capture, capture.trouble
        if self.switches.broken:
            self.complain(self.switches.broken)
        if not self.switches.now.muted:
            capture.open()
        self._rest()
        self.publish()
        self.uplink.connect(must=False)
        number, opened = 0, ""
        while not until():
            block = capture.read(PUMP_BLOCKS * 0.02)
            number += 1
            if capture.description != opened and (opened := capture.description) and not self._trouble:
                self._tell(f"listening on {opened}; say {self.wake_word!r}. Stop with Ctrl-C.")
            self._watch(capture)
            for button in self._panel.pressed() if self._panel is not None else ():
                press(self, button)
            # Half-duplex: while the device speaks, what it captures is its own voice.
            if block is not None and not self.speaking():
                self._hear(self._hearing, block, "microphone")
            if block is None or number % PUMP_BLOCKS == 0:
                for message in self.uplink.commands():
                    obey(self, message)
                self.attend()
                if self.injected and self._attention.now not in {"listening", "speaking"}:
                    self.listen(self.injected.popleft(), "injected")

    def listen(self, blocks: Iterable[Block], source: Source) -> None:
        """Hear `blocks` (int16, 20 ms each at 16 kHz) to their end: interactions go to the outbox as they are heard."""
        hearing = self._listener() if source == "injected" else self._hearing
        already = len(self.exchanges)
        for number, block in enumerate(blocks):
            self._hear(hearing, block, source)
            if number % PUMP_BLOCKS == 0:
                self.attend()
        for event in hearing.flush():
            self._take(event, source)
        if source == "injected" and len(self.exchanges) == already:
            self.complain(self.why_unheard(blocks))

    def why_unheard(self, sound: Iterable[Block]) -> str:
        """What there was instead of a call in a sound in which none was heard, and the remedy."""
        return unheard.why(self._model, sound, self.wake_word, self._sensitivity)

    def attend(self, wait_s: float = 0.0) -> None:
        """Send and receive; shows and says what has come."""
        self.uplink.pump(self._receive, wait_s)
        self._conversation.drop(self.keeping.dropped())
        self._ring()
        self._speak_on()

    def settle(self, timeout_s: float) -> None:
        """Wait until the cloud has answered everything and all is said.

        Raises EchoError after `timeout_s` seconds in vain.
        """
        deadline = time.monotonic() + timeout_s
        while len(self.outbox) or not self._conversation.settled():
            if time.monotonic() > deadline:
                raise EchoError(
                    f"the cloud has not answered within {timeout_s:.0f} s; {len(self.outbox)} message(s) wait in the "
                    "outbox. Is `cloud-stub serve` running on the same broker?"
                )
            self.attend(wait_s=0.1)
        self.attend()
        while self.speaking():
            self.attend(wait_s=0.1)

    def close(self) -> None:
        """Go offline. What the cloud has not answered stays in the outbox for the next start."""
        if self.capture is not None:
            self.capture.close()
        if self._voice is not None:
            self._voice.stop()
        self.uplink.close()
        self.keeping.close()

    def mute(self) -> None:
        """Close the microphone and forget what it heard; stays so over a restart.

        Raises EchoError where it would not stay so. It is muted even then.
        """
        if self.capture is not None:
            self.capture.close()
        self._hearing.forget()
        self.injected.clear()
        self._trouble = ""
        try:
            self.switches.set(muted=True)
        finally:
            self._attention.to("muted")

    def unmute(self) -> None:
        """Open the microphone again. Raises EchoError where that would not outlive a restart."""
        try:
            self.switches.set(muted=False)
        finally:
            if self.capture is not None:
                self.capture.open()
                self._trouble = self.capture.trouble
            self._rest()

    def push_to_talk(self) -> None:
        """Listen without a wake word. Raises EchoError where there is nothing to listen to."""
        if self.switches.now.muted or self.capture is None or self.capture.trouble:
            cause = "the device is muted" if self.switches.now.muted else self._trouble or "there is no microphone"
            raise EchoError(f"push_to_talk is of no use: {cause.rstrip('.')}. Unmute it, or see to the microphone.")
        self.stop()
        if event := self._hearing.begin():
            self._take(event, "microphone")

    def stop(self) -> None:
        """Stop speaking and ringing, and forget a request that is under way."""
        self._stop_ringing()
        self._conversation.unspoken.clear()
        self.injected.clear()
        if self._voice is not None:
            self._voice.stop()
        self._hearing.forget()
        self._rest()

    def say(self, text: str) -> None:
        """Take `text` as if it were heard, without a recording."""
        self._woken_at = self.keeping.clock.now()
        first, _, rest = text.partition(" ")
        self._keep(rest if first.casefold() == self.wake_word.casefold() and rest else text, "injected")

    def speak(self, text: str) -> None:
        """Speak `text` when nobody is being listened to. Raises EchoError while nobody wants to be disturbed."""
        if self.switches.now.do_not_disturb:
            raise EchoError("nothing is spoken while do_not_disturb is on. Switch it off first.")
        self._conversation.unspoken.append(text)
        self._speak_on()

    def speaking(self) -> bool:
        """Whether our own voice is in the room."""
        return self._voice is not None and self._voice.speaking()

    def sounding(self) -> bool:
        """Whether the device speaks or rings."""
        return self.speaking() or bool(self._ringing.now)

    def complain(self, line: str) -> None:
        """Tell of trouble, the cause and then the remedy: here, and to whoever reads the device's events."""
        self._tell(line)
        first, mark, last = line.rpartition(". ")
        problem, remedy = (f"{first}.", last) if mark else (line, "")
        self.uplink.complain(DeviceError(self.keeping.clock.now(), problem[:2000], remedy[:2000]))

    def publish(self) -> None:
        """Publish the state as it is now."""
        self._publish(self._attention.now)

    def _publish(self, attention: Attention) -> None:
        switches = self.switches.now
        state = State(
            attention,
            "online",
            self.keeping.clock.now(),
            muted=switches.muted,
            do_not_disturb=switches.do_not_disturb,
            volume=switches.volume,
            microphone=self.capture.health() if self.capture is not None else None,
            last_heard=self.exchanges[-1].interaction.at if self.exchanges else None,
        )
        self.uplink.show(state)
        if self._panel is not None:
            self._panel.show(state)

    def _listener(self) -> Hearing:
        return Hearing(self._model, self.wake_word, self._sensitivity)

    def _rest(self) -> None:
        """Go to the state of a device that does not speak.

        It is idle, and dark, only if no sound is held but the last three seconds: while the outbox holds some, it
        thinks.
        """
        if self.switches.now.muted and self.capture is not None:
            self._attention.to("muted")
        elif self._ringing.now and not self._hearing.open:
            self._attention.to("alerting")
        elif self._trouble:
            self._attention.to("deaf")
        elif self._hearing.open:
            self._attention.to("listening")
        else:
            self._attention.to("thinking" if len(self.outbox) else "idle")

    def _watch(self, capture: Capture) -> None:
        """Notice, and say once, when sound stops arriving and when it is back."""
        if self.switches.now.muted:
            return
        before, self._trouble = self._trouble, capture.trouble
        if self._trouble and not before:
            self._hearing.forget()
            self.complain(f"deaf: {self._trouble}")
            self._attention.to("deaf")
        elif before and not self._trouble:
            self._tell(f"sound is back: listening on {capture.description}")
            self._rest()

    def _hear(self, hearing: Hearing, block: Block, source: Source) -> None:
        for event in hearing.accept(block):
            self._take(event, source)

    def _take(self, event: Event, source: Source) -> None:
        if isinstance(event, Listening):
            self._woken_at = self.keeping.clock.now()
            self._attention.to("listening")
        elif isinstance(event, Mistaken):
            self._rest()
        else:
            words = list(event.transcript.words)
            said = "" if event.wake.pushed else event.wake.word
            self._keep(event.transcript.text, source, said, words, event.sound)

    def _keep(
        self,
        text: str,
        source: Source,
        wake_word: str = "",
        words: Sequence[Word] = (),
        sound: NDArray[np.int16] | None = None,
    ) -> None:
        interaction = Interaction(
            id=new_id(self._woken_at),
            device=self.device,
            at=self._woken_at,
            source=source,
            wake_word=wake_word,
            transcript=text,
            words=list(words),
            model=self._model.name if sound is not None else "",
            has_recording=sound is not None,
        )
        # Shown as heard only once it is in the outbox: what was shown is not lost.
        try:
            self.keeping.take(interaction, flac(sound) if sound is not None else None)
        except EchoError as error:
            self.complain(str(error))
            return self._rest()
        self._conversation.begin(interaction)
        if text in STOP_WORDS:
            self._stop_ringing()
        if self._attention.now in {"idle", "listening", "deaf"} and not self._hearing.open:
            self._attention.to("thinking")
        return None

    def _ring(self) -> None:
        """Tell of what has fallen due; `_rest` shows that it rings."""
        self._ringing.look()
        if self._attention.now == "alerting" and not self._ringing.now:
            self._rest()

    def _stop_ringing(self) -> None:
        try:
            self._ringing.stop()
        except EchoError as error:
            self.complain(str(error))
        self._ring()

    def _receive(self, directive: Directive) -> None:
        self.keeping.obey(directive)
        self._conversation.take(directive)

    def _speak_on(self) -> None:
        """Speak the next answer if nothing is in the way, and come to rest when all is said and answered."""
        while not self.speaking() and self._attention.now != "listening":
            if not self._conversation.unspoken:
                return self._rest()
            answer = self._conversation.unspoken.popleft()
            self._attention.to("speaking")
            if isinstance(answer, Exchange):
                self._say(answer)
                text = answer.response
            else:
                self._tell(answer if self._words else "speaks what came by control/speak")
                text = answer
            if self._voice is not None and self._voice.speak(text, self.switches.now.volume):
                self._hearing.forget()
        return None
