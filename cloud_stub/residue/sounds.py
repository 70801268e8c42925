"""The windows of a recording: of the file as it is stored, and of the sound that is in it."""

import io

import numpy as np
import soundfile

from cloud_stub.residue import windows
from cloud_stub.residue.windows import Windows


def windows_of(sound: bytes) -> Windows:
    """Of a sound file's bytes, and of its samples as 16-bit PCM, one channel after the other.

    Raises ValueError where libsndfile cannot read it.
    """
    try:
        samples, _ = soundfile.read(io.BytesIO(sound), dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"no sound file: {error}") from error
    return np.concatenate([windows.of_flac(sound), *(windows.of_samples(channel) for channel in samples.T)])
