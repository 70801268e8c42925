"""Commands that answer: compare, claims, trace, export, outsiders, digest."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from cloud_stub.answers import claims as putting
from cloud_stub.answers import compare as comparing
from cloud_stub.answers import compare_page, provenance
from cloud_stub.answers import digest as digests
from cloud_stub.answers import export as exporting
from cloud_stub.answers import outsiders as others
from cloud_stub.commands.common import data_folder, opened, print_json
from cloud_stub.contract.trace import Sent, load, locate
from cloud_stub.errors import CloudError


def compare(options: argparse.Namespace) -> int:
    """The same trace under several policies; exit code 1 where a record has no rule."""
    quiet = options.json or not sys.stderr.isatty()
    compared = comparing.compare(
        _load(options.trace),
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


def trace(options: argparse.Namespace) -> int:
    """Where an utterance went."""
    with opened(options) as house:
        graph = provenance.trace(house, options.interaction)
    if graph is None:
        raise CloudError(f"nothing is known of {options.interaction}. Its id is in: cloud-stub history")
    if options.svg is not None:
        write(options.svg, provenance.svg(graph))
    if options.json:
        print_json(asdict(graph))
    else:
        print("\n".join(provenance.lines(graph)))
    return 0


def export(options: argparse.Namespace) -> int:
    """Everything of an account in one archive."""
    with opened(options) as house:
        manifest = exporting.export(house, options.account, options.file)
    if options.json:
        print_json(manifest)
        return 0
    print(f"{options.file}: {sum(about['rows'] for about in manifest['files'].values())} rows in these files:")
    for name, about in manifest["files"].items():
        print(f"  {name}: {about['rows']}")
    print("It holds your words and is under no retention rule: keep it safe, and delete it yourself.")
    return 0


def outsiders(options: argparse.Namespace) -> int:
    """What a skill's developer, a trainer of models and the finder of a disk can see."""
    data = data_folder(options)
    if not (data / "cloud").is_dir():
        raise CloudError(f"nothing is stored in {data}. Start with: cloud-stub serve --data {data}")
    # First, as it reads files that nobody in this process may have open.
    disk = others.finder(data)
    with opened(options) as house:
        held, samples = others.developers(house, options.account), others.trainer(house)
    if options.json:
        print_json({"developers": held, "trainer": samples, "disk": disk})
        return 0
    print("a skill's developer sees, in a folder of its own:")
    for name, rows in held.items():
        print(f"  {name}: {len(rows)}", *(f"\n    {row['at']}  {row['fields']}" for row in rows))
    print("whoever trains a model sees:")
    for row in samples:
        print(f"  {row['account']}  {row['at']}  {row['kind']}  {row['content']}")
    print("whoever has a copy of the disk can read:")
    for place, about in disk.items():
        print(
            f"  {place}: {about['sentences']} different sentences",
            *(f"\n    {text[:100]}" for text in about["some"][:5]),
        )
    return 0


def digest(options: argparse.Namespace) -> int:
    """One hash of what the stores hold."""
    with opened(options) as house, house.stores.read() as connection:
        print(digests.digest(connection, house.keys.seal))
    return 0


def _load(name: str) -> list[Sent]:
    try:
        return load(locate(name))
    except ValueError as error:
        raise CloudError(str(error)) from error


def write(file: Path, text: str) -> None:
    """A page or a picture into a file that the user named. Raises CloudError where it cannot be written."""
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise CloudError(f"{file} cannot be written: {error}. Choose another place.") from error
