"""The panel on the GPIO pins: what the device shows on it, and what is pressed."""

import contextlib
import logging
import queue
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from cloud_stub.contract.messages import Attention, State
from device.light_ring import DARK, LIGHTS, RGB, TICKS_PER_SECOND, dimmed, frame
from device.panel import Button
from device.settings import Settings
from hardware import lights
from hardware.conflicts import check
from hardware.libraries import gpiozero
from hardware.lights import Lights

log = logging.getLogger(__name__)

BOUNCE_S = 0.03
"""A contact that opens and closes faster than this only bounces."""


class Buttons:
    """Both buttons, each between its pin and ground. What they say comes on threads of gpiozero's, and waits here."""

    def __init__(self, chosen: Settings) -> None:
        """Raises EchoError where there are no pins."""
        self._pressed: queue.SimpleQueue[Button] = queue.SimpleQueue()
        make = gpiozero().Button
        pins: dict[Button, int] = {"mute": chosen.mute_button_pin, "action": chosen.action_button_pin}
        with ExitStack() as stack:
            for name, pin in pins.items():
                button: Any = make(pin, pull_up=True, bounce_time=BOUNCE_S)
                stack.callback(button.close)
                button.when_pressed = lambda name=name: self._pressed.put(name)
            self.close = stack.pop_all().close

    def wait(self, seconds: float) -> Button | None:
        """The next button that is pressed, None if none is for so long."""
        try:
            return self._pressed.get(timeout=seconds)
        except queue.Empty:
            return None

    def pressed(self) -> Sequence[Button]:
        """The buttons that were pressed since the last call, in their order."""
        came: list[Button] = []
        with contextlib.suppress(queue.Empty):
            while True:
                came.append(self._pressed.get_nowait())
        return came


class Animation:
    """Draws the state ten times a second, on a thread of its own, because the device's own may be busy decoding.

    A ring that is drawn to all the time also comes back by itself when it was unplugged. That it does not take what is
    drawn is said once.
    """

    def __init__(self, shown_on: Lights, brightness: int) -> None:
        """`brightness` in per cent. `close` makes it dark and closes the lights."""
        self._lights, self._brightness = shown_on, brightness / 100
        self._attention: Attention = "idle"
        self._failed = False
        self._changed, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="panel", daemon=True)
        self._thread.start()

    def show(self, attention: Attention) -> None:
        """Show this state from now on."""
        if attention != self._attention:
            self._attention = attention
            self._changed.set()

    def close(self) -> None:
        """Dark; when this returns nothing more is drawn."""
        self._ended.set()
        self._changed.set()
        self._thread.join()
        self._draw((DARK,) * LIGHTS)
        self._lights.close()

    def _run(self) -> None:
        tick, shown = 0, self._attention
        while not self._ended.is_set():
            self._changed.clear()
            before, shown = shown, self._attention
            tick = tick + 1 if shown == before else 0
            self._draw(frame(shown, tick))
            self._changed.wait(1 / TICKS_PER_SECOND)

    def _draw(self, colours: Sequence[RGB]) -> None:
        try:
            self._lights.draw([dimmed(colour, self._brightness) for colour in colours])
        except OSError as error:
            if not self._failed:
                log.warning(
                    "the light ring does not take what is drawn: %s. The device goes on without it; look at its wires.",
                    error,
                )
            self._failed = True
        else:
            if self._failed:
                log.warning("the light ring is back")
            self._failed = False


class GpioPanel:
    """Two buttons, the red LED that is lit as long as the microphone is closed by mute, and the lights."""

    def __init__(self, chosen: Settings) -> None:
        """Take the pins that the settings name. Raises EchoError where they conflict, or are not to be had."""
        check(chosen)
        with ExitStack() as stack:
            self._mute_led: Any = gpiozero().LED(chosen.mute_led_pin)
            stack.callback(self._mute_led.close)
            stack.callback(self._mute_led.off)  # a released pin may go on as it was
            buttons = Buttons(chosen)
            stack.callback(buttons.close)
            self._animation = Animation(lights.opened(chosen), chosen.brightness)
            stack.callback(self._animation.close)
            self.pressed = buttons.pressed
            self.close = stack.pop_all().close

    def show(self, state: State) -> None:
        """The ring shows the attention state. The LED is apart from it: a muted device may still speak and ring."""
        self._mute_led.value = state.muted
        self._animation.show(state.attention)
