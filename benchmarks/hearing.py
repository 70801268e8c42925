"""How well the device hears: python -m benchmarks.hearing [--audio DIR --transcripts TSV] [--json FILE] [--plot FILE]

Everything goes through the device's own pipeline, block by block: voice activity, wake word, end-pointing,
transcription. Without --audio: voices that were not in training, and, where RESIDUAL_ECHO_RECORDINGS names them, the
dev part of people's recordings.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from rich.progress import track

from benchmarks import hearing_sets
from benchmarks.hearing_sets import Clip
from cloud_stub.contract.extras import install
from device import speech_models
from device.audio_source import BLOCK, SAMPLE_RATE
from device.decoys import SENSITIVITY, WAKE_WORDS
from device.errors import EchoError
from device.hearing import Event, Hearing
from device.model_building.evaluate import word_errors
from device.speech_models import SpeechModel
from device.utterance import Heard, Mistaken

BEFORE, AFTER = 0.5, 3.2  # seconds of a quiet room around a clip: who only calls is waited for three seconds
LEVEL = 3.0  # effective value of that room in int16 steps
SENSITIVITIES = (0, 10, 30, 50, 70, 90, 100)


@dataclass
class Measured:
    """Counts of one set of clips, or of several added up."""

    wake_hits: int = 0
    wake_total: int = 0
    false_alarms: int = 0
    taken_back: int = 0
    """Calls that were none and were noticed as such: the ring was lit for a moment, nothing was kept."""
    other_s: float = 0.0
    """Seconds of speech that is said to nobody."""
    errors: int = 0
    words: int = 0
    sentences_right: int = 0
    sentences: int = 0
    sound_s: float = 0.0
    """Seconds of sound, the quiet around the clips included."""
    cpu_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __add__(self, other: "Measured") -> "Measured":
        return Measured(*(getattr(self, name) + getattr(other, name) for name in vars(self)))

    def row(self) -> list[str]:
        """The columns of the table."""
        return [
            f"{self.wake_hits}/{self.wake_total}" if self.wake_total else "",
            f"{self.false_alarms} ({self.taken_back})" if self.other_s else "",
            f"{self.other_s / 3600:.2f}" if self.other_s else "",
            f"{100 * self.errors / self.words:.1f} %" if self.words else "",
            f"{self.sentences_right}/{self.sentences}" if self.sentences else "",
            f"{self.cpu_s / self.sound_s:.4f}",
        ]


def measure(model: SpeechModel, clips: Iterable[Clip], wake_word: str, sensitivity: int) -> Measured:
    """Let the device hear the clips, one after the other in one stream."""
    hearing = Hearing(model, wake_word, sensitivity)
    room = np.random.default_rng(1).normal(0, LEVEL, round(AFTER * SAMPLE_RATE)).astype(np.int16)
    total = Measured()
    for clip in clips:
        started = time.process_time()
        events = _hear(hearing, room[: round(BEFORE * SAMPLE_RATE)])
        if clip.pushed:
            hearing.begin()
        events += [*_hear(hearing, clip.sound), *_hear(hearing, room)]
        total.cpu_s += time.process_time() - started
        total.sound_s += clip.sound.size / SAMPLE_RATE + BEFORE + AFTER
        _count(total, clip, wake_word, events)
    return total


def _hear(hearing: Hearing, sound: NDArray[np.int16]) -> list[Event]:
    return [event for at in range(0, sound.size, BLOCK) for event in hearing.accept(sound[at : at + BLOCK])]


def _count(total: Measured, clip: Clip, wake_word: str, events: Sequence[Event]) -> None:
    heard = [event.transcript.text for event in events if isinstance(event, Heard)]
    first, _, rest = clip.transcript.partition(" ")
    said = clip.transcript if clip.pushed else rest
    if not clip.pushed and first != wake_word:
        total.other_s += clip.sound.size / SAMPLE_RATE
        total.false_alarms += len(heard)
        total.taken_back += sum(isinstance(event, Mistaken) for event in events)
        total.wrong += [f"false alarm: {text}" for text in heard]
        return
    if not clip.pushed:
        total.wake_total += 1
        total.wake_hits += bool(heard)
    if said:
        got = " ".join(heard)  # a request that was cut in two is one in which something is missing
        total.errors += word_errors(said.split(), got.split())
        total.words += len(said.split())
        total.sentences += 1
        total.sentences_right += got == said
        total.wrong += [f"{said} | {got}"] if got != said else []


def loading(path: Path) -> tuple[float, float]:
    """Seconds that loading takes, and MB that a process has grown to once it has heard a request: in one of its own."""
    command = [sys.executable, "-m", "benchmarks.hearing", "--load", str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own program
    seconds, megabytes = json.loads(done.stdout)
    return seconds, megabytes


def _load(path: Path) -> None:
    import vosk  # noqa: F401, PLC0415 - the library is no part of the model

    started = time.perf_counter()
    model = speech_models.load(path)
    seconds = time.perf_counter() - started
    from device.audio_source import Recording  # noqa: PLC0415
    from device.spoken_requests import FOLDER  # noqa: PLC0415

    for _ in Hearing(model).hear(Recording(FOLDER / "11_question.flac")):
        pass
    print(json.dumps([seconds, psutil.Process().memory_info().rss / 1e6]))


def plot(model: SpeechModel, sets: dict[str, list[Clip]], wake_word: str, file: Path) -> None:
    """Draw hits against false alarms over the sensitivity, as PNG."""
    try:
        import matplotlib as mpl  # noqa: PLC0415
    except ImportError as error:
        raise EchoError(f"Drawing needs matplotlib: {install('bench')}") from error
    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    clips = [clip for each in sets.values() for clip in each if not clip.pushed]
    points = []
    for sensitivity in track(SENSITIVITIES, "sensitivities", disable=not sys.stderr.isatty()):
        got = measure(model, clips, wake_word, sensitivity)
        points.append((got.false_alarms / max(got.other_s / 3600, 1e-9), 100 * got.wake_hits / max(got.wake_total, 1)))
    figure, axes = pyplot.subplots(figsize=(6, 4.5), layout="constrained")
    axes.plot(*zip(*points, strict=True), marker="o", color="#1f6f8b")
    for sensitivity, point in zip(SENSITIVITIES, points, strict=True):
        axes.annotate(str(sensitivity), point, textcoords="offset points", xytext=(5, -12))
    axes.set(xlabel="false alarms an hour of other speech", ylabel="calls heard (%)")
    axes.set_title(f"{model.name}, {wake_word!r}, by sensitivity")
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=150)
    pyplot.close(figure)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", metavar="NAME|DIR", help="default: the one that ships")
    parser.add_argument("--wake-word", default="alexa", metavar="WORD", help=f"one of {', '.join(WAKE_WORDS)}")
    parser.add_argument("--sensitivity", type=int, default=SENSITIVITY, metavar="0..100")
    parser.add_argument("--audio", type=Path, metavar="DIR", help="only the recordings in this folder")
    parser.add_argument("--transcripts", type=Path, metavar="TSV", help="columns file, transcript; all words spelt out")
    parser.add_argument("--pushed", action="store_true", help="with --audio: sentences without wake word, too")
    parser.add_argument("--part", type=int, default=1, metavar="N", help="every Nth sentence, and every Nth recording")
    parser.add_argument("--cache", type=Path, default=Path(".cache/voices"), metavar="DIR", help="what the voices said")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the sums there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw hits against false alarms there (PNG)")
    parser.add_argument("--wrong", action="store_true", help="print what was misheard")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        return _load(options.load)
    if (options.audio is None) != (options.transcripts is None):
        parser.error("--audio and --transcripts go together")
    try:
        run(options)
    except (EchoError, OSError) as error:
        sys.exit(f"benchmarks.hearing: {error}")
    return None


def run(options: argparse.Namespace) -> None:
    """Measure what the options say."""
    path = speech_models.locate(options.model)
    model = speech_models.load(path)
    recordings = os.environ.get("RESIDUAL_ECHO_RECORDINGS")
    if options.audio:
        sets = hearing_sets.of_folder(options.audio, options.transcripts, options.wake_word, pushed=options.pushed)
    else:
        sets = hearing_sets.synthesised(options.wake_word, options.cache, options.part)
        sets |= hearing_sets.people(Path(recordings), options.wake_word, options.part) if recordings else {}
    print(f"{'':26}calls      false alarms (taken back)  in hours  word errors  sentences  x real time")
    total = Measured()
    for name, clips in sets.items():
        got = measure(
            model, track(clips, name, disable=not sys.stderr.isatty()), options.wake_word, options.sensitivity
        )
        total += got
        print("{:26}{:11}{:27}{:10}{:13}{:11}{}".format(name, *got.row()), flush=True)
        for line in got.wrong if options.wrong else ():
            print(f"    {line}")
    print("{:26}{:11}{:27}{:10}{:13}{:11}{}".format("together", *total.row()))
    load_s, rss_mb = loading(path)
    size_mb = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
    print(f"{model.name}: loads in {load_s:.3f} s, {rss_mb:.0f} MB resident, {size_mb:.2f} MB on disk")
    if options.json:
        options.json.write_text(json.dumps(_sums(total) | {
            "load_s": round(load_s, 4), "rss_mb": round(rss_mb, 1), "size_mb": round(size_mb, 2)
        }, indent=2) + "\n", "utf-8")  # fmt: skip
    if options.plot:
        plot(model, sets, options.wake_word, options.plot)


def _sums(total: Measured) -> dict[str, float]:
    return {
        "wake_hits": total.wake_hits,
        "wake_total": total.wake_total,
        "false_alarms": total.false_alarms,
        "hours": round(total.other_s / 3600, 4),
        "wer": round(total.errors / max(total.words, 1), 5),
        "sentences_right": total.sentences_right,
        "sentences": total.sentences,
        "rtf": round(total.cpu_s / max(total.sound_s, 1e-9), 5),
    }


if __name__ == "__main__":
    main()
