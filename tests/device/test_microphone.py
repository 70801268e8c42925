"""A microphone is found by its name, opened as near to what we want as it can, and what it loses is counted."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from device import microphone
from device.audio_source import BLOCK
from device.errors import EchoError
from device.microphone import Microphone
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
