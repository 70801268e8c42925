"""Whether the microphone hears the loudspeaker: a tone is played, and looked for in what is captured."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from device.audio_source import BLOCK, SAMPLE_RATE, Block
from device.errors import EchoError
from device.microphone import Microphone

FREQUENCY_HZ = 1000
SECONDS = 1.0
LOUDNESS = 0.25  # of full scale, -12 dBFS
WINDOW = 5  # blocks, 100 ms
QUIET = 25  # blocks before the tone
AFTER = 100  # blocks from its beginning on: what sound cards hold back comes within a second
HEARD_DB = 10.0
"""So much more of the tone than before it counts as heard."""


def played() -> None:
    """Play the tone to its end. Raises EchoError where no loudspeaker takes it."""
    try:
        import sounddevice  # noqa: PLC0415 - loads PortAudio
    except OSError as error:
        raise EchoError("PortAudio is not installed. On Debian and Ubuntu: apt install libportaudio2") from error
    times = np.arange(round(SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    tone = np.rint(np.sin(2 * np.pi * FREQUENCY_HZ * times) * LOUDNESS * 32767).astype(np.int16)
    try:
        with sounddevice.RawOutputStream(samplerate=SAMPLE_RATE, channels=1, dtype="int16", latency="high") as speaker:
            speaker.write(tone.tobytes())
    except (sounddevice.PortAudioError, ValueError) as error:
        raise EchoError(
            f"no loudspeaker takes sound: {error.args[0]}. Plug one in, and see that aplay -l lists it."
        ) from error


def gain(name: str | None) -> float:
    """How much more of the tone that microphone hears while it is played, in dB. Raises EchoError."""
    with Microphone(name) as microphone:
        blocks = iter(microphone)
        before = _most(itertools.islice(blocks, QUIET))
        played()
        during = _most(itertools.islice(blocks, AFTER))
    return 10 * float(np.log10(during / before))


def _most(blocks: Iterator[Block]) -> float:
    """The most power at the tone's frequency in any 100 ms, in square steps; at least that of a single step."""
    sound = list(blocks)
    windows: Sequence[Any] = [sound[at : at + WINDOW] for at in range(0, len(sound) - WINDOW + 1, WINDOW)]
    turns = np.exp(-2j * np.pi * FREQUENCY_HZ * np.arange(WINDOW * BLOCK) / SAMPLE_RATE)
    return max([1.0, *(float(abs(np.mean(np.concatenate(window) * turns)) ** 2) for window in windows)])
