"""Reads the one configuration file of a model, `recipe.toml`."""

import tomllib
from pathlib import Path

import msgspec

from device.errors import EchoError
from device.model_building.graph import GraphOptions

DEFAULT = Path(__file__).parent / "recipe.toml"


class NetworkOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`splices` in feature frames, see `network`; `bits` of a weight in the file."""

    width: int
    splices: tuple[tuple[int, ...], ...]
    dropout: float = 0.05
    bits: int = 16


class TrainingOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stage of training."""

    steps: int
    rate: float
    last_rate: float
    """The share of `rate` to which it falls."""
    silent_ends: float = 0.0
    """Weight of the frames known to be outside the speech; above 0 a transcript begins and ends with silence."""
    frames: int = 9000
    """Feature frames of a batch, for each process."""
    masks: bool = True
    """Blank a stretch of time and some coefficients, each in half of the clips."""


class Speech(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sentences of one kind spoken by one synthesiser."""

    text: str
    engine: str
    clips: int
    copies: int = 1


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Variations of each recording of a person; 0 leaves them out."""

    wake_words: int
    sentences: int


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that decides what the model becomes."""

    name: str
    seed: int
    processes: int
    sentences: str
    """A file of templates of what is said beside the speaker's own, in the recipe's folder."""
    wake_words: tuple[str, ...]
    """As often as each is to be said; none of them before any request where there are none."""
    words: tuple[str, ...]
    """Words that are known although no template has them."""
    quiet: int
    speech: tuple[Speech, ...]
    people: People
    network: NetworkOptions
    flat_start: TrainingOptions
    training: TrainingOptions
    finishing: TrainingOptions
    graph: GraphOptions
    graph_families: dict[str, float]
    overheard: str = ""
    """Such a file of what nobody speaks in training, for the n-gram alone; "" where there is none."""


def read(path: Path = DEFAULT) -> Recipe:
    """Raises EchoError naming what is wrong in the file."""
    try:
        recipe = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Recipe)
        sentences, overheard = (name and str(path.parent / name) for name in (recipe.sentences, recipe.overheard))
        return msgspec.structs.replace(recipe, sentences=sentences, overheard=overheard)
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no TOML, or no recipe
        raise EchoError(
            f"The recipe {str(path)!r} cannot be used: {error}. Compare it with {str(DEFAULT)!r}."
        ) from error
