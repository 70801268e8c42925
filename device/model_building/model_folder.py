"""The parts of a Vosk model's folder that need no training: `conf`, and `graph` with its vocabulary."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from device import speech_models
from device.decoys import DECOYS
from device.model_building import graph, lexicon
from device.model_building.features import MFCC_CONF
from device.model_building.recipe import Recipe
from device.model_building.sentences import Sentences


def templates() -> Path:
    """The folder of the speaker's own sentence templates."""
    import cloud_stub  # noqa: PLC0415

    return Path(str(cloud_stub.__file__)).parent / "intents"


def sentences(recipe: Recipe, folder: Path, *, overheard: bool = False) -> Sentences:
    """What can be said with a folder of templates and with those of the recipe, which use lists of `shared.yaml`.

    With `overheard`, what is in the n-gram alone, too.
    """
    more = [recipe.sentences, *([recipe.overheard] if overheard and recipe.overheard else [])]
    return Sentences(sorted(folder.glob("*.yaml")), [templates() / "shared.yaml", *map(Path, more)], recipe.wake_words)


def write_conf(out: Path, recipe: Recipe) -> None:
    """Write the `conf` folder of a Vosk model, and the notice that goes with the pronunciations."""
    (out / "conf").mkdir(parents=True, exist_ok=True)
    (out / "conf" / "mfcc.conf").write_text(MFCC_CONF)
    (out / "conf" / "model.conf").write_text(graph.MODEL_CONF.format(beam=recipe.graph.beam))
    notice = speech_models.SHIPPED / speech_models.DEFAULT / "NOTICE.txt"
    if not (out / "NOTICE.txt").exists():
        shutil.copyfile(notice, out / "NOTICE.txt")


def write_graph(folder: Path, recipe: Recipe, said: Sentences, own: Path = lexicon.OWN) -> None:
    """Write the `graph` folder of a Vosk model; `own` are pronunciations that CMUdict lacks.

    The decoys of the wake words are known, too, and seldom said.

    Raises EchoError where nobody knows how to say a word, or where OpenFst's programs are missing.
    """
    decoys = (decoy.split() for word in recipe.wake_words for decoy in DECOYS.get(word, ()))
    words = lexicon.lexicon(said.vocabulary().union(recipe.words, *decoys), own)
    graph.write(folder, words, _language(recipe, said, frozenset(words)), recipe.graph)


def _language(recipe: Recipe, said: Sentences, known: frozenset[str]) -> Iterator[tuple[str, float]]:
    """The sentences of the n-gram, each with its weight. A word made of two pieces of a template may be unknown."""
    chance = random.Random(f"{recipe.seed} language")
    total = recipe.graph.sentences
    drawn = [said.request(chance) for _ in range(total)]
    for family, share in sorted(recipe.graph_families.items()):
        drawn += [said.draw(family, chance) for _ in range(round(share * total))]
    for text in drawn:
        if known.issuperset(text.split()):
            yield text, 1.0
    for word in sorted(set(recipe.wake_words)):
        yield word, total / 500
