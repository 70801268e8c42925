"""Where sound comes from: a microphone or a recording, both as 20 ms blocks of 16 kHz mono int16.

A source is iterated over; each block is an array of shape (320,). What has another rate is resampled by soxr at
quality HQ, a stream and not block by block, so that nothing clicks at block edges; channels are averaged.
"""

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from device.errors import EchoError

SAMPLE_RATE = 16_000  # Hz, the rate that the speech models are made for
BLOCK = 320  # samples, 20 ms

Block = NDArray[np.int16]
"""20 ms of mono sound at 16 kHz, shape (320,)."""

RATES = range(4_000, 768_001)  # Hz; beyond these a header is broken, or the resampler could not follow
PATIENCE = 5.0  # seconds without a block until a microphone counts as dead
TAIL_LEVEL = 3.0  # effective value in int16 steps, -81 dBFS: quieter than any room, yet not digital silence


class _Blocks:
    """Turns frames of any rate and number of channels into blocks, carrying remainders over to the next call."""

    def __init__(self, rate: int, channels: int) -> None:
        self._channels = channels
        self._resampler: Any = None
        if rate != SAMPLE_RATE:
            import soxr  # noqa: PLC0415 - most sounds need no resampling

            self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
        self._rest: NDArray[np.int16] = np.empty(0, np.int16)

    def push(self, frames: NDArray[np.float32], *, last: bool = False) -> Iterator[Block]:
        """Yield the blocks that `frames`, of shape (n, channels) and range -1..1, completes."""
        sane = np.clip(np.nan_to_num(frames.reshape(-1, self._channels)), -1, 1)  # a float file may hold anything
        mono = sane.mean(axis=1, dtype=np.float32)
        if self._resampler is not None:
            mono = self._resampler.resample_chunk(mono, last=last)
        yield from self.add(np.clip(np.rint(mono * 32768), -32768, 32767).astype(np.int16))

    def add(self, samples: NDArray[np.int16]) -> Iterator[Block]:
        """Yield the blocks that `samples`, already mono int16 at 16 kHz, completes."""
        sound = np.concatenate([self._rest, samples])
        whole = sound.size - sound.size % BLOCK
        self._rest = sound[whole:]
        yield from sound[:whole].reshape(-1, BLOCK)

    def end(self) -> Iterator[Block]:
        """Yield the last block, filled up with zeros, if anything is left."""
        if self._rest.size:
            yield np.pad(self._rest, (0, BLOCK - self._rest.size))


class Recording:
    """A sound file of any kind that libsndfile reads, as the blocks that a microphone would have given.

    It is streamed from disk, so its length does not matter. After its end come `tail_s` seconds of faint noise (the
    same at every run), as a room would go on, because the end of a request is heard by the quiet after it.

    Raises EchoError, when made, if there is no such file, it is no sound, or it is empty; while iterated, if it
    breaks off.
    """

    def __init__(self, path: Path | str, tail_s: float = 1.5) -> None:
        self._path = Path(path)
        self._tail_s = tail_s
        self.name = self._path.name
        if not self._path.is_file():
            raise EchoError(f"There is no sound file {str(self._path)!r}. Check the path.")
        with self._open() as sound:
            rate = sound.samplerate
            if rate not in RATES:
                raise EchoError(f"{self.name!r} claims a rate of {rate} Hz. Convert it to 16000 Hz.")
            if not self._read(sound, 1).size:
                raise EchoError(f"{self.name!r} holds no sound. Record it again.")

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks of the file, then those of the tail."""
        with self._open() as sound:
            blocks = _Blocks(sound.samplerate, sound.channels)
            step = max(1, sound.samplerate * BLOCK // SAMPLE_RATE)  # frames in 20 ms
            while (frames := self._read(sound, step)).size:
                yield from blocks.push(frames)
            yield from blocks.push(frames, last=True)  # what the resampler still holds
        noise = np.random.default_rng(0).normal(0, TAIL_LEVEL, round(self._tail_s * SAMPLE_RATE))
        yield from blocks.add(np.rint(noise).astype(np.int16))
        yield from blocks.end()

    def _open(self) -> Any:
        import soundfile  # noqa: PLC0415 - loads libsndfile

        try:
            return soundfile.SoundFile(self._path)
        except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: a headerless kind, by its name
            kinds = "wav, flac, ogg, mp3, ..."
            raise EchoError(f"{self.name!r} is not a sound file. Give one that libsndfile reads: {kinds}") from error

    def _read(self, sound: Any, frames: int) -> NDArray[np.float32]:
        import soundfile  # noqa: PLC0415

        try:
            read: NDArray[np.float32] = sound.read(frames, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise EchoError(f"{self.name!r} breaks off: {str(error).rstrip('.')}. Copy or record it again.") from error
        return read


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
    """The names of the devices that can record, as PortAudio lists them."""
    return tuple(device["name"] for device in _sounddevice().query_devices() if device["max_input_channels"] > 0)


def _find(name: str | None) -> str | None:
    """The full name of the one microphone that `name` is, or is part of, in any case; None is the default one."""
    names = microphones()
    if not names:
        raise EchoError("There is no microphone. Plug one in, or let the device hear a recording instead.")
    if name is None or name in names:
        return name
    found = [each for each in names if name.casefold() in each.casefold()]
    if len(found) == 1:
        return found[0]
    several = f"{len(found)} microphones match" if found else "No microphone matches"
    raise EchoError(f"{several} {name!r}. There are: {', '.join(found or names)}")


class Microphone:
    """A microphone, as a context manager; iterate it for blocks.

    `name` is the device's name or a part of it, None the system's default. It is opened at 16 kHz mono, or, where it
    cannot do that, at its own rate and channels and converted; `description` says which. `overflows` counts the
    times that PortAudio reported lost input, `dropped` the blocks that nobody took for `keep_s` seconds of sound: then
    the oldest go first.

    Raises EchoError, when entered, if PortAudio or the microphone is missing; while iterated, if no sound arrives
    for 5 s.
    """

    def __init__(self, name: str | None = None, keep_s: float = 60.0) -> None:
        self.name = name
        self.description = ""
        self.overflows = 0
        self.dropped = 0
        self._queue: queue.Queue[bytes | None] = queue.Queue(max(1, round(keep_s * SAMPLE_RATE / BLOCK)))
        self._closed = threading.Event()
        self._stream: Any = None
        self._format = (SAMPLE_RATE, 1)

    def __enter__(self) -> Self:
        """Open the microphone and begin to listen."""
        sounddevice = _sounddevice()
        name = _find(self.name)
        try:
            device = sounddevice.query_devices(name, "input")
            rate, channels = self._format = self._choose(sounddevice, name, device)
            self._stream = sounddevice.RawInputStream(
                samplerate=rate,
                blocksize=rate * BLOCK // SAMPLE_RATE,
                device=name,
                channels=channels,
                dtype="int16",
                callback=self._arrived,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            self.close()
            raise EchoError(f"The microphone does not open: {error}. Choose another one.") from error
        converted = "" if (rate, channels) == (SAMPLE_RATE, 1) else f", converted to {SAMPLE_RATE} Hz mono"
        self.description = f"{device['name']}: {rate} Hz, channels: {channels}{converted}"
        return self

    @staticmethod
    def _choose(sounddevice: Any, name: str | None, device: Any) -> tuple[int, int]:
        """Rate in Hz and channels: what we want if the microphone can do it, else its own rate."""
        own, most = int(device["default_samplerate"]), device["max_input_channels"]
        for rate, channels in ((SAMPLE_RATE, 1), (own, 1)):
            try:
                sounddevice.check_input_settings(name, channels, "int16", samplerate=rate)
            except sounddevice.PortAudioError:
                continue
            return rate, channels
        return own, most

    def _arrived(self, frames: Any, _count: int, _time: Any, status: Any) -> None:
        """Copy and queue: PortAudio calls this on its own thread, which must not wait."""
        self.overflows += bool(status.input_overflow)
        self._put(bytes(frames))

    def _put(self, item: bytes | None) -> None:
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
        blocks = _Blocks(*self._format)
        while not self._closed.is_set():
            try:
                frames = self._queue.get(timeout=PATIENCE)
            except queue.Empty:
                raise EchoError(
                    f"No sound has arrived for {PATIENCE:.0f} s from {self.description or 'a microphone not opened'}. "
                    "Check that it is plugged in and that no other program holds it."
                ) from None
            if frames is not None:
                yield from blocks.push(np.frombuffer(frames, np.int16).astype(np.float32) / np.float32(32768))

    def close(self) -> None:
        """Stop listening, from any thread: iteration ends, and what was not yet taken is forgotten."""
        self._closed.set()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
        self._put(None)  # wakes a listener that waits

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the microphone."""
        self.close()
