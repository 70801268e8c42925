"""A microphone is found by its name, opened as near to what we want as it can, and what it loses is counted."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from device import microphone
from device.audio_source import BLOCK
from device.errors import EchoError
from device.microphone import Microphone, _SampleClock, level
from tests.processes import PATIENCE_S

OK = SimpleNamespace(input_overflow=False)


def arrive(source: Microphone, value: int, status: SimpleNamespace = OK) -> None:
    """What PortAudio does when 20 ms of sound have come."""
    source._arrived(np.full(BLOCK, value, np.int16).tobytes(), BLOCK, None, status)


def test_a_microphones_blocks_come_in_order_and_overflows_are_counted() -> None:
    source = Microphone()
    arrive(source, 1)
    arrive(source, 2, SimpleNamespace(input_overflow=True))
    blocks = iter(source)
    assert [next(blocks)[0], next(blocks)[319]] == [1, 2]
    assert source.overflows == 1


def test_when_nobody_takes_the_sound_the_oldest_goes_and_is_counted() -> None:
    source = Microphone(keep_s=0.06)
    for value in range(5):
        arrive(source, value)
    assert next(iter(source))[0] == 2
    assert source.dropped == 2


def test_closing_ends_a_wait_in_another_thread() -> None:
    source, ended = Microphone(), threading.Event()

    def listen() -> None:
        list(source)
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    source.close()
    assert ended.wait(PATIENCE_S), "iteration went on after close"


def test_sound_that_was_not_taken_before_closing_is_forgotten() -> None:
    source = Microphone()
    arrive(source, 1)
    source.close()
    assert list(source) == []


def test_a_microphone_that_falls_silent_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "PATIENCE", 0.01)
    with pytest.raises(EchoError, match="No sound arrives"):
        next(iter(Microphone()))


class _PortAudioError(Exception):
    pass


@pytest.mark.parametrize(
    ("can", "chosen"),
    [
        ({(16_000, 1), (48_000, 1)}, (16_000, 1)),
        ({(48_000, 1), (48_000, 2)}, (48_000, 1)),
        ({(48_000, 2)}, (48_000, 2)),
    ],
)
def test_a_microphone_is_opened_as_near_to_16_khz_mono_as_it_can(
    can: set[tuple[int, int]], chosen: tuple[int, int]
) -> None:
    def check(_device: int, channels: int, _dtype: str, *, samplerate: int) -> None:
        if (samplerate, channels) not in can:
            raise _PortAudioError

    portaudio = SimpleNamespace(check_input_settings=check, PortAudioError=_PortAudioError)
    device = {"default_samplerate": 48_000.0, "max_input_channels": 2}
    assert Microphone._choose(portaudio, 0, device) == chosen


def test_a_microphone_is_found_by_a_part_of_its_name_and_a_wrong_name_lists_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(microphone, "microphones", lambda: ("HDA Intel: ALC257", "Yeti", "Yeti Nano"))
    assert microphone.find("alc") == "HDA Intel: ALC257"
    assert microphone.find("Yeti") == "Yeti"
    with pytest.raises(EchoError, match=r"^2 microphones match 'yeti'. There are: Yeti, Yeti Nano$"):
        microphone.find("yeti")
    with pytest.raises(EchoError, match=r"^No microphone matches 'x'. There are: HDA Intel: ALC257, Yeti, Yeti"):
        microphone.find("x")


def test_no_microphone_at_all_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "microphones", tuple)
    with pytest.raises(EchoError, match="There is no microphone"):
        microphone.find(None)


def late(arrivals: list[float]) -> int:
    """How often blocks of 20 ms that arrive at these times, in seconds, are late."""
    clock = _SampleClock(16_000)
    return sum(clock.late(BLOCK, at) for at in arrivals)


HOUR = range(180_000)


@pytest.mark.parametrize(
    ("arrivals", "times"),
    [
        pytest.param([0.02 * n for n in HOUR], 0, id="in time"),
        pytest.param([0.02 * n * 1.0001 for n in HOUR], 0, id="a card whose clock is a little slow"),
        pytest.param([0.02 * n * 0.9999 for n in HOUR], 0, id="a card whose clock is a little fast"),
        pytest.param([0.000_01 * n for n in HOUR], 0, id="a file, as fast as it can be read"),
        pytest.param([0.02 * n + 0.03 * (n % 3) for n in HOUR], 0, id="in packets"),
        pytest.param([0.02 * n + 0.5 * (n > 100) for n in HOUR], 1, id="half a second lost once"),
        pytest.param([0.03 * n for n in range(100)], 9, id="30 ms for each 20 ms"),
    ],
)
def test_lateness_is_counted_that_no_flag_of_portaudio_tells(arrivals: list[float], times: int) -> None:
    assert late(arrivals) == times


def test_the_level_is_in_decibels_below_full_scale() -> None:
    full = np.full(BLOCK, -32768, np.int16)
    assert level([full]) == 0
    assert level([full // 10]) == pytest.approx(-20, abs=0.01)
    assert level([np.zeros(BLOCK, np.int16)]) == -np.inf
