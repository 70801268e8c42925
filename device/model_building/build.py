"""Runs the stages of a recipe, in order; a stage whose result is already there is not run again.

Every result lies in the work folder under a name that ends in a digest of all that decides it, so a changed recipe or
template makes anew exactly what depends on it.
"""

import hashlib
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from device import speech_models
from device.errors import EchoError
from device.model_building import clips, features, graph, lexicon, synthesis
from device.model_building.features import MFCC_CONF
from device.model_building.recipe import Recipe
from device.model_building.recordings import recordings
from device.model_building.sentences import SPEECH, Sentences



@dataclass(frozen=True)
class Place:
    """Where things lie."""

    work: Path
    templates: Path
    people: Path | None
    """The folder of people's recordings, or None."""


def build(recipe: Recipe, place: Place, out: Path) -> None:
    """Make the whole model in the folder `out`. Raises EchoError where a program or package is missing."""
    try:
        from device.model_building import training  # noqa: PLC0415 - torch
    except ImportError as error:
        raise EchoError("Training needs torch. `make model` installs a CPU build of it, or apt install python3-torch") from error
    from device.model_building import nnet3_format  # noqa: PLC0415

    synthesis.check(sorted({speech.engine for speech in recipe.speech} | {"espeak"}))
    place.work.mkdir(parents=True, exist_ok=True)
    spoken, others = _data(recipe, place)
    flat, trained = _trainings(recipe, place, spoken, others)
    words = _training_lexicon(recipe, place, [*spoken, *others])
    for out_file, start, options, data in ((flat, None, recipe.flat_start, spoken), (trained, flat, recipe.training, [*spoken, *others])):
        if not out_file.is_file():
            training.train(
                training.Task(
                    tuple(data), words, recipe.network, options, recipe.seed, recipe.processes, start, out_file
                )
            )
    layers = training.load(trained, recipe.network).affines()
    nnet3_format.write(out / "am" / "final.mdl", layers, recipe.network.bits)
    write_conf(out, recipe)
    write_graph(out / "graph", recipe, Sentences(place.templates))


def write_conf(out: Path, recipe: Recipe) -> None:
    """Write the `conf` folder of a Vosk model, and the notice that goes with the pronunciations."""
    (out / "conf").mkdir(parents=True, exist_ok=True)
    (out / "conf" / "mfcc.conf").write_text(MFCC_CONF)
    (out / "conf" / "model.conf").write_text(graph.MODEL_CONF.format(beam=recipe.graph.beam))
    notice = speech_models.SHIPPED / speech_models.DEFAULT / "NOTICE.txt"
    if not (out / "NOTICE.txt").exists():
        shutil.copyfile(notice, out / "NOTICE.txt")


def write_graph(folder: Path, recipe: Recipe, sentences: Sentences) -> None:
    """Write the `graph` folder of a Vosk model."""
    words = lexicon.lexicon(sentences.vocabulary() | lexicon.extra_words())
    graph.write(folder, words, _language(recipe, sentences, frozenset(words)), recipe.graph)


def _language(recipe: Recipe, sentences: Sentences, known: frozenset[str]) -> Iterator[tuple[str, float]]:
    """The sentences of the n-gram, each with its weight. A word made of two pieces of a template may be unknown."""
    chance = random.Random(f"{recipe.seed} language")  # noqa: S311 - no secret
    total = recipe.graph.sentences
    drawn = [sentences.request(chance) for _ in range(total)]
    for family, share in sorted(recipe.graph_families.items()):
        drawn += [sentences.draw(family, chance) for _ in range(round(share * total))]
    for text in drawn:
        if known.issuperset(text.split()):
            yield text, 1.0
    for word in ("alexa", "computer", "echo", "amazon"):
        yield word, total / 500


def _data(recipe: Recipe, place: Place) -> tuple[list[Path], list[Path]]:
    """The synthesised data sets, and those of people and of silence."""
    texts = b"".join(path.read_bytes() for path in [*sorted(place.templates.glob("*.yaml")), SPEECH])
    sentences, spoken, others = Sentences(place.templates), [], []
    for speech in recipe.speech:
        path = _named(place, f"{speech.text}-{speech.engine}", speech, recipe.seed, texts)
        if not features.exists(path):
            clips.speak(path, speech, sentences, recipe.seed, recipe.processes)
        spoken.append(path)
    if recipe.quiet:
        path = _named(place, "quiet", recipe.quiet, recipe.seed)
        if not features.exists(path):
            clips.keep_quiet(path, recipe.quiet, recipe.seed, recipe.processes)
        others.append(path)
    if place.people is not None:
        recorded = recordings(place.people, "train")
        for name, copies, wake in (("wake-words", recipe.people.wake_words, True), ("people", recipe.people.sentences, False)):
            chosen = [each for each in recorded if each.wake_word == wake]
            if copies and chosen:
                path = _named(place, name, copies, recipe.seed, [each.text for each in chosen])
                if not features.exists(path):
                    clips.read(path, chosen, copies, recipe.seed, recipe.processes)
                others.append(path)
    return spoken, others


def _trainings(recipe: Recipe, place: Place, spoken: list[Path], others: list[Path]) -> tuple[Path, Path]:
    """The files of the network after its flat start and at the end."""
    shared = (recipe.network, recipe.seed, recipe.processes)
    flat = _named(place, "flat-start", recipe.flat_start, *shared, [path.name for path in spoken])
    trained = _named(place, "trained", recipe.training, flat.name, [path.name for path in others])
    return flat.with_suffix(".pt"), trained.with_suffix(".pt")


def _training_lexicon(recipe: Recipe, place: Place, data: list[Path]) -> dict[str, list[lexicon.Pronunciation]]:
    """How each word of the transcripts may have been said."""
    said = {word for part in features.read(data) for clip in part.clips for word in clip.text.split()}
    return lexicon.lexicon(said)


def _named(place: Place, name: str, *decides: object) -> Path:
    digest = hashlib.blake2b(msgspec.json.encode(decides), digest_size=5).hexdigest()
    return place.work / f"{name}-{digest}"
