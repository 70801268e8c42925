"""Makes the data sets to train on: what a recipe asks for is spoken or read, varied, and turned into features.

A clip's sound is never stored: one job speaks it, varies it and returns its features.
"""

import multiprocessing
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from device.model_building import augmentation, features, lexicon, synthesis
from device.model_building.augmentation import Placed
from device.model_building.progress import Progress
from device.model_building.recipe import Recipe, Speech
from device.model_building.recordings import Recorded
from device.model_building.sentences import Sentences
from device.model_building.synthesis import Job

Features = tuple[str, Any, tuple[int, int]]


@dataclass(frozen=True)
class _Speaking:
    job: Job
    copies: int
    babble: Job | None


@dataclass(frozen=True)
class _Reading:
    recorded: Recorded
    number: int
    copies: int


def speak(out: Path, speech: Speech, sentences: Sentences, recipe: Recipe) -> None:
    """Sentences of one kind by one synthesiser, into the data set `out`."""
    synthesis.check([speech.engine])
    chance = random.Random(f"{recipe.seed} {speech.text} {speech.engine}")
    draw = _drawn(speech.text, sentences, recipe.words, chance)
    jobs = []
    for _ in range(speech.clips):
        job = Job(chance.getrandbits(40), draw(), speech.engine)
        talk = chance.random() < 0.4
        babble = Job(chance.getrandbits(40), sentences.babble(chance), "espeak") if talk else None
        jobs.append(_Speaking(job, speech.copies, babble))
    _make(out, _spoken, jobs, recipe.processes)


def read(out: Path, recorded: Sequence[Recorded], copies: int, seed: int, processes: int) -> None:
    """People's recordings, into the data set `out`."""
    chance = random.Random(f"{seed} people")
    _make(out, _heard, [_Reading(each, chance.getrandbits(40), copies) for each in recorded], processes)


def keep_quiet(out: Path, clips: int, seed: int, processes: int) -> None:
    """Clips in which nobody speaks, into the data set `out`."""
    _make(out, _silent, [seed * 1_000_003 + i for i in range(clips)], processes)


def _drawn(kind: str, sentences: Sentences, words: Sequence[str], chance: random.Random) -> Callable[[], str]:
    if kind == "requests":
        return lambda: sentences.request(chance)
    if kind == "words":
        known = sorted(sentences.vocabulary().union(words))
        every = sorted(word for word in lexicon.every_word() if 3 < len(word) < 10)
        return lambda: " ".join(
            chance.choice(known if chance.random() < 0.5 else every) for _ in range(chance.randint(2, 6))
        )
    return lambda: sentences.draw(kind, chance)


def _make(out: Path, worker: Callable[[Any], list[Features]], jobs: Sequence[Any], processes: int) -> None:
    with Progress(out.stem.rsplit("-", 1)[0], len(jobs)) as progress:

        def each() -> Iterator[Features]:
            with multiprocessing.get_context("spawn").Pool(processes, _one_thread) as pool:
                for made in pool.imap(worker, jobs, 16):  # in the order of the jobs
                    progress.advance()
                    yield from made

        features.write(out, each())


def _one_thread() -> None:
    """A worker is one of several: its libraries shall not start threads of their own."""
    import os  # noqa: PLC0415

    os.environ["OMP_NUM_THREADS"] = "1"


def _spoken(task: _Speaking) -> list[Features]:
    clip = synthesis.say(task.job)
    if clip is None:
        return []
    babble = synthesis.say(task.babble) if task.babble else None
    return [
        _features(task.job.text, augmentation.spoken(clip, _chance(task.job.number, copy), person=False, babble=babble))
        for copy in range(task.copies)
    ]


def _heard(task: _Reading) -> list[Features]:
    sound = task.recorded.sound()
    return [
        _features(task.recorded.text, augmentation.spoken(sound, _chance(task.number, copy), person=True))
        for copy in range(task.copies)
    ]


def _silent(number: int) -> list[Features]:
    return [_features("", augmentation.quiet(_chance(number, 0)))]


def _chance(number: int, copy: int) -> np.random.Generator:
    return np.random.default_rng([number, copy])


def _features(text: str, placed: Placed) -> Features:
    return text, features.mfcc(placed.sound, placed.frames).astype(np.float16), placed.speech
