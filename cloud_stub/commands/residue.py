"""The residue command: search every byte for what was deleted."""

import argparse
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from cloud_stub.commands.common import broker_address, data_folder, opened, print_json
from cloud_stub.errors import CloudError
from cloud_stub.house import House
from cloud_stub.residue import brokers
from cloud_stub.residue.inquiry import Wanted, inquire, witnessed
from cloud_stub.residue.needles import Key
from cloud_stub.residue.places import Place, places
from cloud_stub.residue.report import Report, as_json, print_report
from cloud_stub.residue.search import Message
from cloud_stub.residue.search import Progress as Told
from cloud_stub.residue.sounds import windows_of
from cloud_stub.residue.windows import Windows, of_text, too_short


def run(options: argparse.Namespace) -> int:
    """Search, report, and let the witness forget what is proved to be gone. Exit code 1 for anything unexplained."""
    with opened(options) as house:
        wanted = _wanted(house, options)
        messages, notes = _kept_by_broker(options)
        with _progress(quiet=options.json or not sys.stderr.isatty()) as told:
            report = inquire(
                house,
                wanted,
                memory_mib=options.memory,
                messages=messages,
                others=[*_elsewhere(options), *_broker_files(options)],
                notes=notes,
                progress=told,
            )
    if options.html is not None:
        _write_html(report, options.html)
    if options.json:
        print_json(as_json(report))
    else:
        print_report(report)
    return 1 if report.unexplained else 0


def _wanted(house: House, options: argparse.Namespace) -> Wanted:
    if options.phrase is not None:
        if too_short(options.phrase):
            raise CloudError("the phrase is too short to prove: give three words and 12 bytes at least.")
        key = Key.random()
        return Wanted(f"the phrase {options.phrase!r}", key, given=key.needles(of_text(options.phrase)))
    if options.file is not None:
        key = Key.random()
        return Wanted(f"the sound {options.file.name}", key, given=key.needles(_sound(options.file)))
    return witnessed(house, options.about)


def _sound(file: Path) -> Windows:
    try:
        return windows_of(file.read_bytes())
    except (OSError, ValueError) as error:
        raise CloudError(f"{file} cannot be searched for: {error}. Give a sound file, such as WAV or FLAC.") from error


def _kept_by_broker(options: argparse.Namespace) -> tuple[list[Message], list[str]]:
    """The messages that the broker keeps, and what could not be seen of it."""
    notes = []
    if options.broker_data is None:
        notes.append("A broker's own files are inspected only where --broker-pid and --broker-data are given.")
    if options.broker is None:
        if options.ca_file is not None:
            raise CloudError("--ca-file is given without --broker. Give its address too, mqtts://HOST:PORT.")
        notes.append("Messages that a broker retains are inspected only where --broker gives its address.")
        return [], notes
    return brokers.retained(broker_address(options)), notes


def _broker_files(options: argparse.Namespace) -> list[Place]:
    """The broker's persistence file, saved anew."""
    if options.broker_data is None and options.broker_pid is None:
        return []
    if options.broker_data is None or options.broker_pid is None:
        raise CloudError("--broker-pid and --broker-data go together: a file that is not saved anew shows the past.")
    return [Place("broker/persistence", (brokers.save(options.broker_pid, options.broker_data),))]


def _elsewhere(options: argparse.Namespace) -> list[Place]:
    """What devices keep that have a data folder of their own. Raises CloudError for what is none."""
    inside, found = data_folder(options).resolve(), list[Place]()
    for folder in dict.fromkeys(folder.resolve() for folder in options.devices):
        try:
            there = folder / "devices" in folder.iterdir()
        except OSError as error:
            raise CloudError(
                f"--devices {folder} cannot be searched: {error.strerror}. Search it as its owner."
            ) from error
        if not there:
            raise CloudError(
                f"--devices {folder} is no device's data folder: there is no devices/ in it. Name its --data."
            )
        if folder != inside:
            found += places(folder)
    return found


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Told]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("searching", total=None)
        yield lambda done, whole, place: bar.update(task, completed=done, total=whole, description=place or "done")


def _write_html(report: Report, file: Path) -> None:
    console = Console(record=True, width=140, file=io.StringIO())
    print_report(report, console)
    try:
        file.write_text(console.export_html(), "utf-8")
    except OSError as error:
        raise CloudError(f"the page cannot be written to {file}: {error}. Choose another place.") from error
