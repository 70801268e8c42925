"""Kaldi's MFCCs, and data sets of them on disk.

A data set is two files: `NAME.npy`, the frames of all clips one after the other (float16, shape (frames, 40)), read
where they lie, and `NAME.json`, what is said in each clip. Source of the options: those that Vosk reads back from
`conf/mfcc.conf`, which is written from here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from device.audio_source import SAMPLE_RATE

STEP, FRAME = SAMPLE_RATE // 100, 240 + SAMPLE_RATE // 100  # samples: every 10 ms a frame of 25 ms
SUBSAMPLING = 3  # feature frames an output frame of the network
GRID = 8 * SUBSAMPLING  # a clip is a multiple of so many frames
COEFFICIENTS = 40
LOWEST, HIGHEST = 20, 7600  # Hz

MFCC_CONF = f"""--use-energy=false
--sample-frequency={SAMPLE_RATE}
--num-mel-bins={COEFFICIENTS}
--num-ceps={COEFFICIENTS}
--low-freq={LOWEST}
--high-freq={HIGHEST}
--dither=0.0
"""

Frames = NDArray[np.float32]


class Clip(msgspec.Struct, frozen=True):
    """What is said in one clip, where its frames lie in the data set, and which of them hold speech."""

    text: str
    start: int
    frames: int
    speech: tuple[int, int]


@dataclass(frozen=True)
class DataSet:
    """Clips and their frames."""

    clips: tuple[Clip, ...]
    frames: NDArray[np.float16]

    def of(self, clip: Clip) -> NDArray[np.float16]:
        """The frames of one clip, shape (frames, 40)."""
        return self.frames[clip.start : clip.start + clip.frames]


def mfcc(sound: NDArray[np.int16], frames: int | None = None) -> Frames:
    """MFCCs of 16 kHz sound, shape (frames, 40); the last frame is repeated where one is missing."""
    import kaldi_native_fbank  # noqa: PLC0415 - only who trains needs it

    options = kaldi_native_fbank.MfccOptions()
    options.frame_opts.dither = 0
    options.frame_opts.samp_freq = SAMPLE_RATE
    options.mel_opts.num_bins = options.num_ceps = COEFFICIENTS
    options.mel_opts.low_freq, options.mel_opts.high_freq = LOWEST, HIGHEST
    options.use_energy = False
    computer = kaldi_native_fbank.OnlineMfcc(options)
    computer.accept_waveform(SAMPLE_RATE, sound.astype(np.float32).tolist())
    computer.input_finished()
    found = np.stack([computer.get_frame(i) for i in range(computer.num_frames_ready)]).astype(np.float32)
    if frames is None:
        return found
    return np.concatenate([found, np.repeat(found[-1:], max(0, frames - len(found)), axis=0)])[:frames]


def write(path: Path, clips: Iterable[tuple[str, NDArray[np.float16], tuple[int, int]]]) -> None:
    """Write a data set of texts, frames and where the speech is. What is there under this name is complete."""
    known, start = [], 0
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        for text, frames, speech in clips:
            known.append(Clip(text, start, len(frames), speech))
            file.write(np.ascontiguousarray(frames).tobytes())
            start += len(frames)
    raw = np.memmap(part, np.float16, "r", shape=(start, COEFFICIENTS))
    with path.with_suffix(".npy.part").open("wb") as file:
        np.save(file, raw)
    del raw
    part.unlink()
    path.with_suffix(".npy.part").replace(path.with_suffix(".npy"))
    path.with_suffix(".json").write_bytes(msgspec.json.encode(known))


def exists(path: Path) -> bool:
    """Whether the data set is there: its list is written last."""
    return path.with_suffix(".json").is_file()


def read(paths: Sequence[Path]) -> Iterator[DataSet]:
    """The data sets; frames stay on disk until they are used."""
    for path in paths:
        clips = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=tuple[Clip, ...])
        yield DataSet(clips, np.load(path.with_suffix(".npy"), mmap_mode="r"))
