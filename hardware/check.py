"""`echo-device hardware-check`: every light, both buttons, the microphone and the loudspeaker, one after the other."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from device import doctor, panel, settings, voice
from device.doctor import Finding, about, checked
from device.light_ring import DARK, LIGHTS, RGB, dimmed
from device.panel import Button
from device.pins import PANELS, PARTS, position
from device.settings import Settings
from hardware import lights, tone
from hardware.conflicts import check
from hardware.libraries import gpiozero
from hardware.panel import Buttons

SHOW_S = 1.0
"""For which each LED is lit; each light of a ring a quarter of it."""

NO_PANEL, PROBLEM = 2, 1

COLOURS: dict[str, RGB] = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
WHITE: RGB = (255, 255, 255)

Tell = Callable[[str], None]


def run(options: argparse.Namespace) -> int:
    """Check all. Exit code 0 where all is well, 1 for a problem, 2 where there is no panel that could be tried.

    With `options.dark` it checks nothing, and makes the panel dark.
    """
    chosen = settings.chosen(options)
    if options.dark:
        with panel.opened(chosen):  # it begins and ends dark
            return 0

    def tell(line: str) -> None:
        print(line, file=sys.stderr if options.json else sys.stdout, flush=True)

    findings = []
    for finding in examine(chosen, options.seconds, tell):
        findings.append(finding)
        if not options.json:
            print(finding, flush=True)
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    problems = {finding.check for finding in findings if finding.problem}
    return NO_PANEL if problems & {"panel", "pins", "GPIO", "SPI"} else PROBLEM if problems else 0


def examine(chosen: Settings, seconds: float, tell: Tell) -> Iterator[Finding]:
    """Check everything; `tell` is told what to look at and what to press, each button within so many seconds."""
    yield from checked(_panel(chosen, seconds, tell))
    heard = list(checked(doctor.sound(chosen.microphone)))
    yield from heard
    opens = any(finding.check == "a second of sound" for finding in heard)
    yield from checked(_loudspeaker(chosen.microphone if opens else "none", tell))
    yield from _voice()


def _panel(chosen: Settings, seconds: float, tell: Tell) -> Iterator[Finding]:
    if chosen.panel is None:
        remedy = f"Name what is wired: --panel {', '.join(PANELS)}, or panel in the settings."
        yield Finding("panel", problem="none is chosen, so neither lights nor buttons were tried.", remedy=remedy)
        return
    about("pins", lambda: check(chosen))
    yield Finding("pins", "no two things want the same")
    library = about("GPIO", gpiozero)
    yield Finding("GPIO", f"driven by {type(library.Device.pin_factory).__name__}")
    shown_on = about("SPI", lambda: lights.opened(chosen))
    try:
        with suppress(OSError):  # said below
            shown_on.draw((DARK,) * LIGHTS)  # a device that was killed leaves a ring as it was
        yield from _mute_led(library, chosen, tell)
        yield from _lights(shown_on, chosen, tell)
    finally:
        shown_on.close()
    buttons = Buttons(chosen)
    try:
        yield _button(buttons, "action", chosen, seconds, tell)
        yield _button(buttons, "mute", chosen, seconds, tell)
    finally:
        buttons.close()


def _mute_led(library: Any, chosen: Settings, tell: Tell) -> Iterator[Finding]:
    name = _where("mute_led_pin", chosen)
    with library.LED(chosen.mute_led_pin) as led:
        tell(f"look     {name} is lit")
        led.on()
        time.sleep(SHOW_S)
        led.off()
    yield Finding("mute LED", "was lit, if you saw it")


def _lights(shown_on: lights.Lights, chosen: Settings, tell: Tell) -> Iterator[Finding]:
    """Each LED by itself: a ring's lights in white, one after the other, then all of it in each colour."""
    pictures: list[tuple[str, tuple[RGB, ...], float]] = []
    if chosen.panel == "leds":
        for colour, rgb in COLOURS.items():
            pictures.append((f"{_where(f'{colour}_led_pin', chosen)} is lit", (rgb,) * LIGHTS, SHOW_S))
    else:
        for light in range(LIGHTS):
            colours = tuple(WHITE if each == light else DARK for each in range(LIGHTS))
            pictures.append((f"light {light + 1} of {LIGHTS} is white", colours, SHOW_S / 4))
        pictures += [(f"the whole ring is {colour}", (rgb,) * LIGHTS, SHOW_S) for colour, rgb in COLOURS.items()]
    try:
        for text, colours, seconds in pictures:
            tell(f"look     {text}")
            shown_on.draw([dimmed(colour, chosen.brightness / 100) for colour in colours])
            time.sleep(seconds)
        shown_on.draw((DARK,) * LIGHTS)
    except OSError as error:
        yield Finding("lights", problem=f"they do not take what is drawn: {error}.", remedy="Look at the ring's wires.")
        return
    yield Finding("lights", f"{len(pictures)} pictures were shown, if you saw them")


def _button(buttons: Buttons, name: Button, chosen: Settings, seconds: float, tell: Tell) -> Finding:
    where, check_name = _where(f"{name}_button_pin", chosen), f"{name} button"
    buttons.pressed()  # what came before does not count
    tell(f"press    {where}, within {seconds:g} s")
    came = buttons.wait(seconds)
    if came is None:
        remedy = "Press it when told to; see that it lies between its pin and a ground, and that no wire is loose."
        return Finding(check_name, problem=f"{where} was not pressed within {seconds:g} s.", remedy=remedy)
    if came != name:
        remedy = f"Swap their wires, or {name}_button_pin and {came}_button_pin in the settings."
        return Finding(check_name, problem=f"the {came} button came instead.", remedy=remedy)
    return Finding(check_name, "pressed")


def _where(key: str, chosen: Settings) -> str:
    gpio: int = getattr(chosen, key)
    return f"{PARTS[key].name} (GPIO {gpio}, pin {position(gpio)})"


def _loudspeaker(microphone: str | None, tell: Tell) -> Iterator[Finding]:
    """`microphone` is the one that shall hear it, "none" if none can."""
    tell(f"listen   a tone of {tone.FREQUENCY_HZ} Hz for {tone.SECONDS:g} s")
    if microphone == "none":
        about("loudspeaker", tone.played)
        yield Finding("loudspeaker", "a tone was played, if you heard it; no microphone did")
        return
    gain = about("loudspeaker", lambda: tone.gain(microphone))
    if gain < tone.HEARD_DB:
        remedy = "Turn it up (alsamixer), put the microphone nearer, or take no headphones for this."
        yield Finding("loudspeaker", problem=f"the microphone does not hear its tone ({gain:.0f} dB).", remedy=remedy)
    else:
        yield Finding("loudspeaker", f"the microphone hears it: {gain:.0f} dB more of the tone than before")


def _voice() -> Iterator[Finding]:
    if found := voice.available():
        yield Finding("voice", found)
    else:
        yield Finding("voice", problem="there is no speech synthesiser.", remedy="sudo apt install espeak-ng")
