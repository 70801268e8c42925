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


@dataclass(frozen=True)
class _Data:
    """The data sets by whose voices they are."""

    spoken: list[Path]
    """Synthesised."""
    called: list[Path]
    """People's wake words, and silence."""
    said: list[Path]
    """People's sentences."""


def build(recipe: Recipe, place: Place, out: Path, *, unheard: bool = False) -> list[Path]:
    """Make the whole model in the folder `out`; with `unheard` one that never learned a person's sentence.

    Returns the data sets that it learned from. Raises EchoError where a program or package is missing.
    """
    try:
        from device.model_building import nnet3_format, training  # noqa: PLC0415 - torch
    except ImportError as error:
        raise EchoError(
            "Training needs torch. `make model` installs it for the CPU; or apt install python3-torch"
        ) from error
    synthesis.check(sorted({speech.engine for speech in recipe.speech} | {"espeak"}))
    place.work.mkdir(parents=True, exist_ok=True)
    data = _data(recipe, place)
    stages = [
        ("flat-start", recipe.flat_start, data.spoken),
        ("training", recipe.training, [*data.spoken, *data.called]),
    ]
    if data.said and not unheard:
        stages.append(("finishing", recipe.finishing, [*data.spoken, *data.called, *data.said]))
    words = _training_lexicon([*data.spoken, *data.called, *data.said])
    network: Path | None = None
    files: list[Path] = []
    for name, options, files in stages:
        shared = (recipe.network, options, recipe.seed, recipe.processes)
        decides = (*shared, network and network.name, [file.name for file in files])
        trained = _named(place, name, *decides).with_suffix(".pt")
        if not trained.is_file():
            training.train(training.Task(tuple(files), words, *shared, network, trained))
        network = trained
    assert network is not None
    layers = training.load(network, recipe.network).affines()
    nnet3_format.write(out / "am" / "final.mdl", layers, recipe.network.bits)
    write_conf(out, recipe)
    write_graph(out / "graph", recipe, sentences(recipe, place.templates, overheard=True))
    return files


def _data(recipe: Recipe, place: Place) -> _Data:
    texts = b"".join(path.read_bytes() for path in [*sorted(place.templates.glob("*.yaml")), Path(recipe.sentences)])
    drawn, data = sentences(recipe, place.templates), _Data([], [], [])
    for speech in recipe.speech:
        words = recipe.words if speech.text == "words" else ()
        path = _named(place, f"{speech.text}-{speech.engine}", speech, recipe.seed, texts, *words)
        if not features.exists(path):
            clips.speak(path, speech, drawn, recipe)
        data.spoken.append(path)
    if recipe.quiet:
        path = _named(place, "quiet", recipe.quiet, recipe.seed)
        if not features.exists(path):
            clips.keep_quiet(path, recipe.quiet, recipe.seed, recipe.processes)
        data.called.append(path)
    recorded = recordings(place.people, "train") if place.people is not None else []
    called, said = ([each for each in recorded if each.wake_word == wake] for wake in (True, False))
    for name, chosen, copies, where in (
        ("wake-words", called, recipe.people.wake_words, data.called),
        ("people", said, recipe.people.sentences, data.said),
    ):
        if chosen and copies:
            path = _named(place, name, copies, recipe.seed, [each.text for each in chosen])
            if not features.exists(path):
                clips.read(path, chosen, copies, recipe.seed, recipe.processes)
            where.append(path)
    return data


def _training_lexicon(data: list[Path]) -> dict[str, list[lexicon.Pronunciation]]:
    """How each word of the transcripts may have been said."""
    said = {word for part in features.read(data) for clip in part.clips for word in clip.text.split()}
    return lexicon.lexicon(said)


def _named(place: Place, name: str, *decides: object) -> Path:
    digest = hashlib.blake2b(msgspec.json.encode(decides), digest_size=5).hexdigest()
    return place.work / f"{name}-{digest}"
