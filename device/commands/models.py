"""The models commands: which there are, and fetching one."""

import argparse
import difflib
import json
from dataclasses import asdict

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from device import model_download, official_models, speech_models
from device.errors import EchoError
from device.official_models import OfficialModel


def show(options: argparse.Namespace) -> int:
    """Print the model that ships, those on disk, and the official ones."""
    here = speech_models.installed()
    official = _official(options)
    others = [model for model in official if model.name not in here]
    if options.json:
        found = [{"name": name, "path": str(path), "size": _size(name)} for name, path in here.items()]
        print(json.dumps({"here": found, "official": [asdict(model) for model in official]}, indent=2))
        return 0
    print("here (--model NAME):")
    for name, path in here.items():
        print(f"  {name:42} {_size(name) / 1e6:7.1f} MB  {path}")
    print("official, not here (echo-device models download NAME):")
    for model in others:
        print(
            f"  {model.name:42} {model.size / 1e6:7.1f} MB  {model.language:16} {model.licence or 'licence: see site'}"
        )
    return 0


def download(options: argparse.Namespace) -> int:
    """Fetch an official model, with a progress bar on standard error."""
    folder = speech_models.download_folder()
    site = options.site or official_models.SITE
    model = _named(options.name, _official(options))
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(model.name, total=model.size)
        place = model_download.download(model, folder, site, lambda come: progress.update(task, completed=come))
    print(f"{place}\nIts licence: {model.licence or f'see {official_models.SITE}'}. Use it: --model {model.name}")
    return 0


def _named(name: str, official: tuple[OfficialModel, ...]) -> OfficialModel:
    """Raises EchoError where there is none of that name."""
    by_name = {model.name: model for model in official}
    if name not in by_name:
        near = difflib.get_close_matches(name, by_name, n=3)
        known = f"Did you mean {', '.join(near)}?" if near else "echo-device models lists them."
        raise EchoError(f"There is no official model {name!r}. {known}")
    return by_name[name]


def _official(options: argparse.Namespace) -> tuple[OfficialModel, ...]:
    """The official models: as the site lists them now where that is asked for, else as the list that ships does."""
    return official_models.online(options.site or official_models.SITE) if options.online else official_models.shipped()


def _size(name: str) -> int:
    return sum(file.stat().st_size for file in speech_models.locate(name).rglob("*") if file.is_file())
