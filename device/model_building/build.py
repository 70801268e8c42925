"""Runs the stages of a recipe, in order; a stage whose result is already there is not run again.

Every result lies in the work folder under a name that ends in a digest of all that decides it, so a changed recipe or
template makes anew exactly what depends on it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from device.errors import EchoError
from device.model_building import clips, features, lexicon, synthesis
from device.model_building.model_folder import sentences, write_conf, write_graph
from device.model_building.recipe import Recipe
from device.model_building.recordings import recordings


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
        raise EchoError(
            "Training needs torch. `make model` installs a CPU build of it, or apt install python3-torch"
        ) from error
    from device.model_building import nnet3_format  # noqa: PLC0415

    synthesis.check(sorted({speech.engine for speech in recipe.speech} | {"espeak"}))
    place.work.mkdir(parents=True, exist_ok=True)
    spoken, others = _data(recipe, place)
    flat, trained = _trainings(recipe, place, spoken, others)
    words = _training_lexicon([*spoken, *others])
    # From nothing on synthesised speech, which is clear; then, with what people said, to the end.
    for file, start, options, data in (
        (flat, None, recipe.flat_start, spoken),
        (trained, flat, recipe.training, [*spoken, *others]),
    ):
        if not file.is_file():
            shared = (recipe.network, options, recipe.seed, recipe.processes)
            training.train(training.Task(tuple(data), words, *shared, start, file))
    layers = training.load(trained, recipe.network).affines()
    nnet3_format.write(out / "am" / "final.mdl", layers, recipe.network.bits)
    write_conf(out, recipe)
    write_graph(out / "graph", recipe, sentences(recipe, place.templates))


def _data(recipe: Recipe, place: Place) -> tuple[list[Path], list[Path]]:
    """The synthesised data sets, and those of people and of silence."""
    texts = b"".join(path.read_bytes() for path in [*sorted(place.templates.glob("*.yaml")), Path(recipe.sentences)])
    said, spoken, others = sentences(recipe, place.templates), [], []
    for speech in recipe.speech:
        path = _named(place, f"{speech.text}-{speech.engine}", speech, recipe.seed, texts, *(recipe.words if speech.text == "words" else ()))
        if not features.exists(path):
            clips.speak(path, speech, said, recipe)
        spoken.append(path)
    if recipe.quiet:
        path = _named(place, "quiet", recipe.quiet, recipe.seed)
        if not features.exists(path):
            clips.keep_quiet(path, recipe.quiet, recipe.seed, recipe.processes)
        others.append(path)
    if place.people is not None:
        recorded = recordings(place.people, "train")
        for name, copies, wake in (
            ("wake-words", recipe.people.wake_words, True),
            ("people", recipe.people.sentences, False),
        ):
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


def _training_lexicon(data: list[Path]) -> dict[str, list[lexicon.Pronunciation]]:
    """How each word of the transcripts may have been said."""
    said = {word for part in features.read(data) for clip in part.clips for word in clip.text.split()}
    return lexicon.lexicon(said)


def _named(place: Place, name: str, *decides: object) -> Path:
    digest = hashlib.blake2b(msgspec.json.encode(decides), digest_size=5).hexdigest()
    return place.work / f"{name}-{digest}"
