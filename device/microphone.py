"""One microphone through PortAudio: found by name, opened as near to 16 kHz mono as it can, blocks out."""

import getpass
import os
import queue
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from device.audio_source import BLOCK, SAMPLE_RATE, Block, Blocks
from device.errors import EchoError

AUTO = "auto"
"""As a name: the loudest of all microphones."""

PATIENCE = 1.0  # seconds without a block until a microphone whose stream has ended counts as gone,
PATIENCE_WHILE_ACTIVE = 4.0  # and one whose stream goes on; a busy machine takes seconds for the first block
LATE = 0.1  # seconds further behind the clock that count once
DRIFT = 0.001  # seconds a second that a card's clock may be slower than ours: cards are within a tenth of it
TRIAL = 25  # blocks of each microphone that `auto` listens to

#: What PortAudio's error codes mean to the person at the keyboard. Source: portaudio.h, PaErrorCode.
REMEDIES = {
    -9985: "it is not there any more, or another program holds it. Close that program, or choose another microphone",
    -9996: "it is not there any more. Plug it in, or choose another microphone",
    -9997: f"it records neither at {SAMPLE_RATE} Hz nor at the rate it names as its own. Choose another microphone",
    -9998: "it does not record in so many channels. Choose another microphone",
}


def _sounddevice() -> Any:
    """The sounddevice module, which loads PortAudio. Raises EchoError where there is none, or it does not start."""
    try:
        import sounddevice  # noqa: PLC0415 - loads PortAudio
    except OSError as error:
        raise EchoError("PortAudio is not installed. On Debian and Ubuntu: apt install libportaudio2") from error
    except Exception as error:  # its own error class cannot be named while the import fails
        raise EchoError(f"The sound system does not start: {error}. Look at ~/.asoundrc.") from error
    return sounddevice


def microphones() -> tuple[str, ...]:
    """The names of the devices that can record, as PortAudio lists them; the same card may be there by several."""
    inputs = (device["name"] for device in _sounddevice().query_devices() if device["max_input_channels"] > 0)
    return tuple(dict.fromkeys(inputs))


def find(name: str | None) -> str | None:
    """The full name of the one microphone that `name` is, or is part of, in any case; None is the default one.

    Raises EchoError where there is none, or several match.
    """
    names = microphones()
    if not names:
        raise EchoError(forbidden() or "There is no microphone. Plug one in, or let the device hear a sound file.")
    if name is None or name in names:
        return name
    found = [each for each in names if name.casefold() in each.casefold()]
    if len(found) == 1:
        return found[0]
    several = f"{len(found)} microphones match" if found else "No microphone matches"
    raise EchoError(f"{several} {name!r}. There are: {', '.join(found or names)}")


def forbidden(folder: Path = Path("/dev/snd")) -> str:
    """Why and how to mend it, where Linux has sound cards that this user may not open; else nothing."""
    cards = list(folder.glob("pcm*c")) if folder.is_dir() else []
    if not cards or any(os.access(card, os.R_OK | os.W_OK) for card in cards):
        return ""
    user = getpass.getuser()
    return f"User {user!r} may not open the sound cards in {folder}. Run: sudo usermod -aG audio {user}; log in again."


def level(blocks: Iterator[Block] | list[Block]) -> float:
    """The effective value of the sound in dBFS: 0 is a full square wave, a quiet room about -60, zeros -inf."""
    power = [float(np.mean(block.astype(np.float64) ** 2)) for block in blocks]
    mean = sum(power) / len(power) if power else 0.0
    return 10 * float(np.log10(mean / 32768**2)) if mean else -np.inf


def loudest() -> str:
    """The name of the microphone that delivers the loudest sound, half a second each. Raises EchoError if none does."""
    find(None)
    levels = {}
    for name in microphones():
        try:
            with Microphone(name) as microphone:
                levels[name] = level(list(islice(microphone, TRIAL)))
        except EchoError:
            continue
    best = max(levels, key=lambda name: levels[name], default=None)
    if best is None or levels[best] == -np.inf:
        tried = f"{len(levels)} of {len(microphones())} open, none delivers anything but zeros"
        raise EchoError(f"No microphone delivers sound: {tried}. Switch one on, or name one.")
    return best


class Microphone:
    """A microphone, as a context manager; iterate it for blocks.

    `name` is the device's name or a part of it, None the system's default, "auto" the loudest. It is opened at 16 kHz
    mono, or, where it cannot do that, at its own rate and channels and converted; `description` says which.
    `overflows` counts the times that PortAudio reported lost input, `dropped` the blocks that nobody took for `keep_s`
    seconds of sound: then the oldest go first. `late` counts the times that the sound fell 0.1 s further behind the
    clock, which no flag of PortAudio tells (measured: a callback of 30 ms for each 20 ms raises none).

    Raises EchoError, when entered, if PortAudio or the microphone is missing; while iterated, if no sound arrives
    for 1 s and its stream has ended, or for 4 s.
    """

    def __init__(self, name: str | None = None, keep_s: float = 60.0) -> None:
        self.name = name
        self.description = ""
        self.overflows = 0
        self.dropped = 0
        self.late = 0
        self._queue: queue.Queue[tuple[bytes, float]] = queue.Queue(max(1, round(keep_s * SAMPLE_RATE / BLOCK)))
        self._closed = threading.Event()
        self._stream: Any = None
        self._format = (SAMPLE_RATE, 1)

    def __enter__(self) -> Self:
        """Open the microphone and begin to listen."""
        sounddevice = _sounddevice()
        name = find(loudest() if self.name == AUTO else self.name)
        try:
            device, index = self._device(sounddevice, name)
            rate, channels = self._format = self._choose(sounddevice, index, device)
            self._stream = sounddevice.RawInputStream(
                samplerate=rate,
                blocksize=rate * BLOCK // SAMPLE_RATE,
                device=index,
                channels=channels,
                dtype="int16",
                callback=self._arrived,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            self.close()
            raise EchoError(f"The microphone {name or 'that is the default'} does not open: {_why(error)}.") from error
        converted = "" if (rate, channels) == (SAMPLE_RATE, 1) else f", converted to {SAMPLE_RATE} Hz mono"
        self.description = f"{device['name']}: {rate} Hz, channels: {channels}{converted}"
        return self

    @staticmethod
    def _device(sounddevice: Any, name: str | None) -> tuple[Any, int]:
        """What PortAudio knows of the first input of exactly that name, and its number, which holds only now."""
        if name is None:
            device = sounddevice.query_devices(None, "input")
            return device, device["index"]
        inputs = (one for one in sounddevice.query_devices() if one["max_input_channels"] > 0 and one["name"] == name)
        device = next(inputs)
        return device, device["index"]

    @staticmethod
    def _choose(sounddevice: Any, index: int | None, device: Any) -> tuple[int, int]:
        """Rate in Hz and channels: what we want if the microphone can do it, else its own rate."""
        own, most = int(device["default_samplerate"]), device["max_input_channels"]
        for rate, channels in ((SAMPLE_RATE, 1), (own, 1)):
            try:
                sounddevice.check_input_settings(index, channels, "int16", samplerate=rate)
            except sounddevice.PortAudioError:
                continue
            return rate, channels
        return own, most

    def _arrived(self, frames: Any, _count: int, _time: Any, status: Any) -> None:
        """Copy and queue: PortAudio calls this on its own thread, which must not wait."""
        self.overflows += bool(status.input_overflow)
        self._put((bytes(frames), time.monotonic()))

    def _put(self, item: tuple[bytes, float]) -> None:
        while True:
            try:
                return self._queue.put_nowait(item)
            except queue.Full:
                self._drop()

    def _drop(self) -> None:
        try:
            self._queue.get_nowait()
        except queue.Empty:  # the listener took it meanwhile
            return
        self.dropped += 1

    def __iter__(self) -> Iterator[Block]:
        """Yield blocks as they arrive, until `close`."""
        rate, channels = self._format
        blocks = Blocks(rate, channels)
        clock = _SampleClock(rate)
        last = time.monotonic()
        while not self._closed.is_set():
            try:
                frames, at = self._queue.get(timeout=PATIENCE)
            except queue.Empty:
                if self._stream and self._stream.active and time.monotonic() - last < PATIENCE_WHILE_ACTIVE:
                    continue
                raise EchoError(silent(self.description)) from None
            if frames:
                last = at
                samples = np.frombuffer(frames, np.int16)
                self.late += clock.late(samples.size // channels, at)
                yield from blocks.push(samples.astype(np.float32) / np.float32(32768))

    def close(self) -> None:
        """Stop listening, from any thread: iteration ends, and what was not yet taken is forgotten."""
        self._closed.set()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        self._put((b"", 0.0))  # wakes a listener that waits

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the microphone."""
        self.close()


def silent(description: str) -> str:
    """What is said where no blocks come any more."""
    return (
        f"No sound arrives from {description or 'a microphone not opened'}. "
        "Check that it is plugged in and that no other program holds it."
    )


class _SampleClock:
    """Compares when sound arrives with when its samples say that it should.

    What matters is growth: how far behind it is in all is the sound card's own delay. A little growth is the two
    clocks' difference. Sound that comes early, as from a file that is not paced, is never late.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._frames = 0
        self._behind: float | None = None  # seconds, the least that was usual
        self._last = 0.0

    def late(self, frames: int, at: float) -> bool:
        """Whether these frames, which arrived at `at`, are a tenth of a second later than was usual before."""
        self._frames += frames
        behind = at - self._frames / self._rate
        if self._behind is None:
            self._behind, self._last = behind, at
        usual = self._behind + DRIFT * (at - self._last)
        self._last = at
        late = behind > usual + LATE
        self._behind = behind if late else min(behind, usual)
        return late


def _why(error: Exception) -> str:
    """The cause and the remedy in an error of PortAudio, whose arguments are a text, a code, and the system's text."""
    text, code, *host = [*error.args, None, None][:3]
    if code in REMEDIES:
        return REMEDIES[code]
    cause = f"{text} {host[0][2] if host and host[0] else ''}".strip()
    if "Permission denied" in cause:
        return f"permission denied for user {getpass.getuser()!r}. Add the user to the group audio, or choose another"
    return f"{cause.rstrip('.')}. Choose another one"
