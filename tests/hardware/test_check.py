"""`echo-device hardware-check`: what it tries, says, and ends with; with a Raspberry Pi's pins and without."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from device.cli import main
from device.doctor import Finding
from device.pins import PARTS
from device.settings import Settings
from hardware import check
from tests.hardware.panels import Board
from tests.hardware.test_encodings import read_apa102
from tests.processes import echo_device
from tests.real.virtual_microphone import virtual_microphone

MUTE, ACTION, LED = (PARTS[key].default for key in ("mute_button_pin", "action_button_pin", "mute_led_pin"))
NOTHING = Settings(microphone="none", panel="apa102")


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the lights here."""
    monkeypatch.setattr(check, "SHOW_S", 0.0)


def findings(chosen: Settings, tell: Callable[[str], None], seconds: float = 30.0) -> dict[str, Finding]:
    return {finding.check: finding for finding in check.examine(chosen, seconds, tell)}


def presses(pi: Board, answers: dict[str, int]) -> Iterator[Callable[[str], None]]:
    """A person who presses the button of that GPIO when told to press the one named."""
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        for name, gpio in answers.items():
            if line.startswith("press") and name in line:
                threading.Thread(target=pi.press, args=(gpio,)).start()

    tell.told = told
    return tell


def test_every_light_is_lit_by_itself_and_both_buttons_are_asked_for(pi: Board) -> None:
    led = pi.pin(LED)
    tell = presses(pi, {"action button": ACTION, "mute button": MUTE})
    led.clear_states()
    found = findings(NOTHING, tell)
    assert [found[name].problem for name in ("pins", "GPIO", "mute LED", "lights", "action button", "mute button")] == [
        ""
    ] * 6
    assert [change.state for change in led.states] == [0, 1, 0]
    shown = [read_apa102(message) for message in pi.wire.messages]
    white, dark = (64, 64, 64), (0, 0, 0)
    assert shown[0] == [dark] * 12, "what a device that was killed left lit"
    assert shown[1:13] == [[white if light == lit else dark for light in range(12)] for lit in range(12)]
    assert shown[13:] == [[colour] * 12 for colour in ((64, 0, 0), (0, 64, 0), (0, 0, 64), dark)]
    assert "press    the action button (GPIO 17, pin 11), within 30 s" in tell.told
    assert "press    the mute button (GPIO 27, pin 13), within 30 s" in tell.told
    assert pi.released(*(part.default for part in PARTS.values()))
    assert pi.wire.closed


def test_before_anything_is_lit_all_is_dark(pi: Board) -> None:
    seen: list[list[bytes]] = []
    findings(NOTHING, lambda _: seen.append(list(pi.wire.messages)), seconds=0.01)
    assert [read_apa102(message) for message in seen[0]] == [[(0, 0, 0)] * 12]


@pytest.mark.parametrize("kind", ["apa102", "leds"])
def test_it_only_makes_all_dark_where_it_is_told_to(pi: Board, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "device.toml"
    file.write_text(f'panel = "{kind}"\n')
    pi.pin(LED).clear_states()
    assert main(["hardware-check", "--dark", "--config", str(file)]) == 0
    assert all(read_apa102(message) == [(0, 0, 0)] * 12 for message in pi.wire.messages)
    assert bool(pi.wire.messages) == (kind == "apa102")
    assert not any(change.state for change in pi.pin(LED).states)
    assert pi.released(*(part.default for part in PARTS.values()))


def test_where_there_is_no_panel_nothing_is_to_be_made_dark(tmp_path: Path) -> None:
    (tmp_path / "device.toml").write_text("")
    assert main(["hardware-check", "--dark", "--config", str(tmp_path / "device.toml")]) == 0


def test_three_leds_are_lit_one_after_the_other(pi: Board) -> None:
    pins = [pi.pin(PARTS[f"{colour}_led_pin"].default) for colour in ("red", "green", "blue")]
    for pin in pins:
        pin.clear_states()
    seen: list[list[float]] = []

    def tell(line: str) -> None:
        seen.append([pin.state for pin in pins])

    chosen = Settings(microphone="none", panel="leds", brightness=100)
    found = findings(chosen, tell, seconds=0.01)
    assert found["lights"].problem == ""
    assert [[change.state for change in pin.states if change.state == 1] for pin in pins] == [[1]] * 3
    assert seen[-1] == [0, 0, 0]


def test_a_button_that_is_not_pressed_in_time_is_named_with_its_pin(pi: Board) -> None:
    found = findings(NOTHING, lambda _: None, seconds=0.01)
    assert found["action button"].problem == "the action button (GPIO 17, pin 11) was not pressed within 0.01 s."
    assert "between its pin and a ground" in found["action button"].remedy


def test_buttons_that_are_swapped_are_noticed(pi: Board) -> None:
    found = findings(NOTHING, presses(pi, {"action button": MUTE, "mute button": ACTION}))
    assert found["action button"].problem == "the mute button came instead."
    assert found["mute button"].problem == "the action button came instead."
    assert "mute_button_pin and action_button_pin" in found["mute button"].remedy


def test_a_ring_that_does_not_take_what_is_drawn_is_a_problem_and_the_buttons_are_tried(pi: Board) -> None:
    pi.wire.broken = True
    found = findings(NOTHING, presses(pi, {"action button": ACTION, "mute button": MUTE}))
    assert "do not take what is drawn: [Errno 108]" in found["lights"].problem
    assert found["mute button"].problem == ""


def test_without_a_raspberry_pi_it_says_what_is_missing_and_what_to_do_and_ends_with_2(tmp_path: Path) -> None:
    done = echo_device("hardware-check", "--panel", "leds", "--microphone", "none", "--json", "--seconds", "0.1")
    assert done.returncode == 2, done.stderr
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert found["pins"]["problem"] == ""
    assert "this is no Raspberry Pi" in found["GPIO"]["problem"]
    assert "sudo apt install python3-lgpio" in found["GPIO"]["remedy"]
    assert set(found) >= {"loudspeaker", "voice"}, "what can be tried is"


def test_without_a_panel_it_says_how_to_name_one_and_ends_with_2() -> None:
    done = echo_device("hardware-check", "--microphone", "none")
    assert done.returncode == 2
    assert "PROBLEM  panel: none is chosen, so neither lights nor buttons were tried." in done.stdout
    assert "remedy: Name what is wired: --panel leds, apa102, ws2812" in done.stdout


def test_pins_in_conflict_are_said_and_end_with_2() -> None:
    done = echo_device("hardware-check", "--panel", "leds", "--red-led-pin", "17", "--microphone", "none")
    assert done.returncode == 2
    assert "PROBLEM  pins: GPIO 17 is wanted by the red LED (red_led_pin) and by the action button" in done.stdout


def test_a_microphone_that_hears_the_loudspeaker_shows_that_both_work(tmp_path: Path) -> None:
    with virtual_microphone(tmp_path / "sound") as microphone:  # its loudspeaker is what it hears
        done = echo_device("hardware-check", "--microphone", "pulse", "--json", **microphone.environment)
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert found["loudspeaker"]["problem"] == ""
    assert "the microphone hears it" in found["loudspeaker"]["detail"]


def test_a_microphone_that_does_not_hear_the_loudspeaker_is_a_problem(tmp_path: Path) -> None:
    with virtual_microphone(tmp_path / "sound") as microphone:
        microphone.control("load-module", "module-null-sink", "sink_name=elsewhere")
        microphone.control("set-default-sink", "elsewhere")
        done = echo_device("hardware-check", "--microphone", "pulse", "--json", **microphone.environment)
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert "the microphone does not hear its tone" in found["loudspeaker"]["problem"]
    assert "alsamixer" in found["loudspeaker"]["remedy"]
