"""Sound as 20 ms blocks of 16 kHz mono int16, and recordings as a source of them; microphones are in microphone.py.

A source is iterated over; each block is an array of shape (320,). What has another rate is resampled by soxr at
quality HQ, a stream and not block by block, so that nothing clicks at block edges; channels are averaged.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.errors import EchoError

SAMPLE_RATE = 16_000  # Hz, the rate that the speech models are made for
BLOCK = 320  # samples, 20 ms

Block = NDArray[np.int16]
"""20 ms of mono sound at 16 kHz, shape (320,)."""

RATES = range(4_000, 768_001)  # Hz; beyond these a header is broken, or the resampler could not follow
LEAD_S, TAIL_S = 0.6, 1.5  # of a room's noise before and after a sound file
ROOM_LEVEL = 3.0  # effective value in int16 steps, -81 dBFS: quieter than any room, yet not digital silence


def flac(samples: NDArray[np.int16]) -> bytes:
    """Mono samples at 16 kHz, of any length, as a FLAC file."""
    import soundfile  # noqa: PLC0415 - loads libsndfile

    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


class Blocks:
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

    It is streamed from disk, so its length does not matter. Before it come `lead_s` and after it `tail_s` seconds of
    faint noise (the same at every run), as a room is there before and goes on: a wake word that begins with the first
    sample is seldom heard, as of a synthetic voice, and the end of a request is heard by the quiet after it.

    Raises EchoError, when made, if there is no such file, it is no sound, or it is empty; while iterated, if it
    breaks off.
    """

    def __init__(
        self, path: Path | str, tail_s: float = TAIL_S, content: bytes | None = None, lead_s: float = LEAD_S
    ) -> None:
        """With `content`, the file's bytes, `path` is only a name for them."""
        self._path = Path(path)
        self._lead_s, self._tail_s = lead_s, tail_s
        self._content = content
        self.name = self._path.name
        if content is None and not self._path.is_file():
            raise EchoError(f"There is no sound file {str(self._path)!r}. Check the path.")
        with self._open() as sound:
            self.seconds = sound.frames / (sound.samplerate or 1)
            rate = sound.samplerate
            if rate not in RATES:
                raise EchoError(f"{self.name!r} claims a rate of {rate} Hz. Convert it to 16000 Hz.")
            if not self._read(sound, 1).size:
                raise EchoError(f"{self.name!r} holds no sound. Record it again.")

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks of the lead, of the file, and of the tail."""
        with self._open() as sound:
            blocks = Blocks(sound.samplerate, sound.channels)
            yield from blocks.add(_room(self._lead_s))
            step = max(1, sound.samplerate * BLOCK // SAMPLE_RATE)  # frames in 20 ms
            while (frames := self._read(sound, step)).size:
                yield from blocks.push(frames)
            yield from blocks.push(frames, last=True)  # what the resampler still holds
        yield from blocks.add(_room(self._tail_s))
        yield from blocks.end()

    def _open(self) -> Any:
        import soundfile  # noqa: PLC0415 - loads libsndfile

        try:
            return soundfile.SoundFile(self._path if self._content is None else io.BytesIO(self._content))
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


def _room(seconds: float) -> NDArray[np.int16]:
    noise = np.random.default_rng(0).normal(0, ROOM_LEVEL, round(seconds * SAMPLE_RATE))
    return np.rint(noise).astype(np.int16)
