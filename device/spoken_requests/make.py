"""Speak the requests of the story anew: `python make.py OUT_DIR` writes one FLAC a request and requests.tsv.

Each file is 16 kHz, mono, 16 bit: room tone, one request with its wake word, room tone. The voices are of free
synthesisers and were not in the speech model's training. Echo and noise of the room come from a fixed seed, so the
same programs write the same samples. Programs: flite, festival's text2wave (voices ked_diphone and
cmu_us_slt_arctic_hts) and espeak-ng.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

RATE = 16_000  # samples per second of every file, the speech model's rate
SEED = 14  # of all rooms; each request adds its place in the list
PEAK = 0.5  # loudest sample of a file, of full scale: -6 dBFS
TAIL = 0.9  # seconds of room tone after the speech: the recogniser ends a request after 0.5 s of quiet

AWB = "flite awb"  # a man from Scotland
KED = "festival ked_diphone"  # an American man
SLT = "festival cmu_us_slt_arctic_hts"  # an American woman
ISLA = "espeak-ng en-gb-scotland+f5"  # a formant voice, high
MAX = "espeak-ng en-us+m7"  # a formant voice, low


class Request(NamedTuple):
    """One spoken request."""

    name: str
    """File name without its number and ending."""
    voice: str
    """Synthesiser and its voice, with one blank between."""
    pace: float
    """Speaking rate: 1 is the voice's own (espeak-ng: 155 words a minute), more is faster."""
    said: str
    """All words, wake word first, as the speech model spells them."""


REQUESTS = (
    Request("alarm", SLT, 1.0, "alexa set a recurring alarm for seven a m"),
    Request("reminder", KED, 0.95, "alexa remind me of my anniversary on june fourteenth"),
    Request("meeting", SLT, 1.08, "alexa place a meeting with alice on my calendar for friday at ten"),
    Request("message", MAX, 1.0, "alexa send a message to bob saying i am running late"),
    Request("subscription", MAX, 0.95, "alexa subscribe to amazon music unlimited"),
    Request("order", SLT, 0.96, "alexa order milk and eggs from amazon fresh"),
    Request("ride", ISLA, 1.08, "alexa request a ride from uber to the airport"),
    Request("pizza", KED, 1.0, "alexa order a large pepperoni pizza from dominos"),
    Request("purchase", ISLA, 1.0, "alexa buy the extra questions in the quiz"),
    Request("walnuts", AWB, 0.95, "alexa remember that i am allergic to walnuts"),
    Request("question", KED, 1.06, "alexa what time is it"),
    Request("delete_today", SLT, 0.94, "alexa delete everything i said today"),
    Request("allergic", SLT, 1.0, "alexa what am i allergic to"),
    Request("delete_last", MAX, 1.04, "alexa delete what i just said"),
    Request("what_do_you_know", AWB, 1.0, "alexa what do you know about me"),
)


def command(voice: str, pace: float, wav: str) -> list[str]:
    """Return the command that speaks its standard input in `voice` at `pace` to the file `wav`."""
    program, name = voice.split()
    stretch = f"{1 / pace:.3f}"
    match program:
        case "flite":
            return ["flite", "-voice", name, "--setf", f"duration_stretch={stretch}", "-f", "/dev/stdin", "-o", wav]
        case "festival":
            paced = f"(Parameter.set 'Duration_Stretch {stretch})"
            if name.endswith("_hts"):  # a statistical voice, whose engine has a rate of its own
                paced = f"(set! hts_engine_params (cons (list '-r {pace:.3f}) hts_engine_params))"
            return ["text2wave", "-eval", f"(begin (voice_{name}) {paced})", "-o", wav]
        case _:
            return [program, "-v", name, "-s", f"{155 * pace:.0f}", "-w", wav]


def speak(voice: str, pace: float, said: str) -> NDArray[np.float64]:
    """Return `said` in `voice` at 16 kHz, cut at both ends where it is 40 dB below its peak."""
    text = re.sub(r"\b([ap]) m\b", r"\1.m.", said)  # "a m" would be read as "uh m"
    with TemporaryDirectory() as folder:
        program, *arguments = command(voice, pace, wav := f"{folder}/speech.wav")
        found = shutil.which(program)
        if found is None:
            raise FileNotFoundError(f"program {program!r} is not installed; the voice {voice!r} needs it")
        subprocess.run([found, *arguments], input=text.encode(), check=True)  # noqa: S603 - arguments of our own
        samples, rate = soundfile.read(wav, dtype="float64")
    samples = soxr.resample(samples - samples.mean(), rate, RATE)
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return np.asarray(samples[loud[0] : loud[-1] + 1])


def echo(speech: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return `speech` as heard in a furnished room: its echo dies by 60 dB in 0.3 s and holds 14 dB less energy."""
    seconds = np.arange(int(0.3 * RATE)) / RATE
    tail = rng.standard_normal(seconds.size) * 10 ** (-3 * seconds / 0.3) * (seconds > 0.004)
    tail *= 10 ** (-14 / 20) / np.linalg.norm(tail)
    tail[0] = 1.0  # the direct sound
    return np.convolve(speech, tail)


def room_tone(samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return noise of RMS 1 between 60 Hz and 4 kHz that falls by 6 dB an octave, as of a far fan."""
    hertz = np.fft.rfftfreq(samples, 1 / RATE)
    shape = np.where((hertz > 60) & (hertz < 4000), 1 / np.maximum(hertz, 60), 0.0)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(samples)) * shape, samples)
    return np.asarray(noise / noise.std())


def record(request: Request, place: int) -> NDArray[np.int16]:
    """Return one request as a microphone in the room hears it: 16 kHz, 16 bit; `place` seeds its room."""
    rng = np.random.default_rng([SEED, place])
    speech = speak(request.voice, request.pace, request.said)
    level = speech.std()
    before, after = int(rng.uniform(0.35, 0.5) * RATE), int(TAIL * RATE)
    heard = room_tone(before + speech.size + after, rng) * level * 10 ** (-rng.uniform(25, 30) / 20)
    wet = echo(speech, rng)
    heard[before : before + wet.size] += wet
    return np.asarray(np.rint(heard * (PEAK * 32768 / np.abs(heard).max())), dtype=np.int16)


def main(folder: Path) -> None:
    """Write every request and the table of them to `folder`, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file\tvoice\tsaid"]
    for place, request in enumerate(REQUESTS, 1):
        file = f"{place:02d}_{request.name}.flac"
        soundfile.write(folder / file, record(request, place), RATE, subtype="PCM_16", compression_level=1.0)
        rows.append(f"{file}\t{request.voice}\t{request.said}")
    (folder / "requests.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python make.py OUT_DIR")
    main(Path(sys.argv[1]))
