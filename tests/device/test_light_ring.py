import io
import re
from itertools import combinations
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cloud_stub.contract.messages import Attention
from device import light_ring
from device.light_ring import BLUE, CYAN, DARK, ORANGE, RED, Terminal, frame

STATES: tuple[Attention, ...] = get_args(Attention)


@given(st.sampled_from(STATES), st.integers(0, 10_000))
def test_every_state_lights_twelve_leds_with_colours(attention: Attention, tick: int) -> None:
    colours = frame(attention, tick)
    assert len(colours) == 12
    assert all(0 <= part <= 255 for colour in colours for part in colour)


def test_no_two_states_look_alike() -> None:
    films = {state: tuple(frame(state, tick) for tick in range(12)) for state in STATES}
    assert all(films[one] != films[other] for one, other in combinations(STATES, 2))


@pytest.mark.parametrize(("state", "colour"), [("idle", DARK), ("muted", RED), ("deaf", ORANGE)])
def test_states_at_rest_have_one_steady_colour(state: Attention, colour: light_ring.RGB) -> None:
    assert {led for tick in range(24) for led in frame(state, tick)} == {colour}


def test_listening_is_blue_with_cyan_towards_the_person() -> None:
    assert frame("listening", 0) == (CYAN, CYAN, *[BLUE] * 9, CYAN)


def test_thinking_turns_by_one_led_a_tick() -> None:
    now, then = frame("thinking", 0), frame("thinking", 1)
    assert set(now) == {CYAN, BLUE}
    assert then == (now[-1], *now[:-1])


def test_alerting_flashes() -> None:
    assert {frame("alerting", tick) for tick in range(12)} == {(CYAN,) * 12, (DARK,) * 12}


def test_speaking_pulses_and_never_goes_dark() -> None:
    brightness = [frame("speaking", tick)[0][2] for tick in range(12)]
    assert max(brightness) == 255
    assert 0 < min(brightness) < 100


def shown(terminal: bool, *states: tuple[Attention, str]) -> str:
    output = io.StringIO()
    with Terminal(Console(file=output, force_terminal=terminal, color_system="truecolor", width=80)) as ring:
        for attention, note in states:
            ring.show(attention, note)
    return output.getvalue()


def test_without_a_terminal_every_change_is_one_plain_line() -> None:
    output = shown(False, ("idle", ""), ("idle", ""), ("listening", "[bold]"), ("idle", ""))
    assert output == "idle\nlistening  [bold]\nidle\n"


def test_in_a_terminal_the_ring_is_drawn_in_place_in_colour() -> None:
    output = shown(True, ("muted", "microphone off"), ("muted", "microphone off"))
    assert "●" * 12 not in shown(False, ("muted", ""))
    assert output.count("●") >= 24
    assert "muted" in output
    assert "microphone off" in output
    assert "\x1b[2K" in output, "the line is cleared before it is drawn anew"


def test_the_ring_in_a_terminal_moves_with_every_call() -> None:
    dots = re.findall(r"38;2;(\d+;\d+;\d+)m●", shown(True, ("thinking", ""), ("thinking", "")))
    assert dots[12:24] == [dots[11], *dots[:11]]


def test_by_default_the_ring_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().show("deaf")
    assert capsys.readouterr() == ("", "deaf\n")
