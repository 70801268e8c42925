"""Writes the model card: what a model learned from, by which recipe, and what was measured on it."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from device.model_building import features
from device.model_building.evaluate import Figures
from device.model_building.recipe import Recipe

LICENCES = {
    "espeak": "espeak-ng: GPL-3.0-or-later; its speech is used, no program code or data is contained",
    "flite": "flite 2.2 and its voices (slt, rms, kal16): CMU, permissive",
    "piper": "piper-tts: GPL-3.0-or-later, its speech is used; its voice joe (en_US, medium): CC0",
    "wake-words": "people's wake words, from Picovoice's wake-word-benchmark: Apache-2.0",
    "people": "people's coffee orders, from Picovoice's speech-to-intent-benchmark: Apache-2.0",
}

TEXT = """# Model card: {name}
A small speech model for Vosk 0.3.45: English commands to a smart speaker, 16 kHz, {words} words, {size:.1f} MB. Made
from nothing by `make model`, from the sentence templates in `cloud_stub/intents`; nothing is from another model. It is
for demonstrations and tests, not for dictation: what is not in its vocabulary comes out as `[unk]` or as a command that
sounds alike.

## How it was made
Recipe: `device/model_building/recipe.toml`, seed {seed}, {processes} training processes of one thread.{unheard}
On one machine the same programs, recipe and recordings give the same file, bit for bit; on another they need not.

| learned from | clips | hours |
|---|---|---|
{data}

Each clip is counted as often as it was varied (speaker size, room, microphone, noise, level). Licences of the sources:
{licences}; pronunciations: CMUdict, see `NOTICE.txt`.

{stages}

The network has {layers} layers of {width}; its weights have {bits} bits. A phone of `[unk]` costs {unknown}.

## Measured
By `device/model_building/evaluate.py`, when it was made. "Held out" are voices that spoke nothing for training; people
in the dev part of the recordings may also be in the train part, but no recording is.

| set | result |
|---|---|
{figures}

## Known limits
Fluent speech of people in training is only coffee orders and single wake words: people who were never heard, saying
other commands, will be understood less well than the tables show. American and British accents only; "echo" and
"amazon" were learned from synthesised speech alone. Rooms, music and several speakers at once were not measured.
"""


def write(
    folder: Path, recipe: Recipe, data: Sequence[Path], figures: Sequence[Figures], words: int, *, unheard: bool
) -> None:
    """Write `README.md` into a model's folder."""
    sizes = {path.stem.rsplit("-", 1)[0]: _size(path) for path in data}
    used = [text for kind, text in LICENCES.items() if any(name.endswith(kind) for name in sizes)]
    stages = [("flat start", recipe.flat_start), ("training", recipe.training), ("finishing", recipe.finishing)]
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and file.name != "README.md") / 1e6
    (folder / "README.md").write_text(
        TEXT.format(
            name=recipe.name,
            words=words,
            size=size,
            seed=recipe.seed,
            processes=recipe.processes,
            unheard=" It has learned no sentence of a person (`--unheard`)." if unheard else "",
            data="\n".join(f"| {name} | {clips} | {hours:.1f} |" for name, (clips, hours) in sizes.items()),
            licences="; ".join(used),
            stages="\n".join(f"- {name}: {_told(options)}" for name, options in stages[: 2 if unheard else 3]),
            layers=len(recipe.network.splices) + 1,
            width=recipe.network.width,
            bits=recipe.network.bits,
            unknown=recipe.graph.unknown_phone,
            figures="\n".join(f"| {str(each).replace(': ', ' | ', 1)} |" for each in figures),
        ),
        "utf-8",
    )


def _size(path: Path) -> tuple[int, float]:
    (data,) = features.read([path])
    return len(data.clips), sum(clip.frames for clip in data.clips) / 360_000


def _told(options: msgspec.Struct) -> str:
    return ", ".join(f"{name} {value}" for name, value in msgspec.structs.asdict(options).items())
