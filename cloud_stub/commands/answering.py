"""Commands that answer: compare, claims."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from cloud_stub.answers import claims as putting
from cloud_stub.answers import compare as comparing
from cloud_stub.answers import compare_page
from cloud_stub.commands.common import print_json
from cloud_stub.contract import trace
from cloud_stub.contract.trace import Sent
from cloud_stub.errors import CloudError
from cloud_stub.traces import locate


def compare(options: argparse.Namespace) -> int:
    """The same trace under several policies; exit code 1 where a record has no rule."""
    quiet = options.json or not sys.stderr.isatty()
    compared = comparing.compare(
        _trace(options.trace),
        comparing.names_of(options.policies),
        options.until,
        lambda name: None if quiet else print(f"{name} ...", file=sys.stderr, flush=True),
    )
    if options.html is not None:
        write(options.html, compare_page.page(options.trace, compared))
    if options.json:
        print_json([asdict(one) for one in compared])
    else:
        for one in compared:
            print("\n".join(comparing.details(one)), end="\n\n")
        print("records left at the operator (at third parties):")
        print("\n".join(comparing.summary(compared)))
    return 1 if any(one.unexplained for one in compared) else 0


def claims(options: argparse.Namespace) -> int:
    """Every sentence put to a policy."""
    quiet = options.json or not sys.stderr.isatty()
    told = (lambda _: None) if quiet else (lambda number: print(f"{number} ...", file=sys.stderr, flush=True))
    found = [asdict(one) for one in putting.put(options.policy, told)]
    if options.json:
        print_json(found)
        return 0
    for one in found:
        print(f"{one['claim']:4}{one['verdict'].upper():29}{one['says']}")
        print(f"    {one['evidence']}")
    return 0


def _trace(name: str) -> list[Sent]:
    try:
        return trace.load(locate(name))
    except ValueError as error:
        raise CloudError(str(error)) from error


def write(file: Path, text: str) -> None:
    """A page or a picture into a file that the user named. Raises CloudError where it cannot be written."""
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise CloudError(f"{file} cannot be written: {error}. Choose another place.") from error
