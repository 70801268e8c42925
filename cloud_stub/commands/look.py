"""Commands that look: history, left, due, status, ledger verify."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import msgspec

from cloud_stub.commands.common import data_folder, opened, print_json, time_zone
from cloud_stub.due import due as due_soon
from cloud_stub.errors import CloudError
from cloud_stub.house import open_house
from cloud_stub.residue.left import left as records_left
from cloud_stub.residue.left import witnessed
from cloud_stub.retention import ledger, receipt
from cloud_stub.status import status as counts
from cloud_stub.voice_history import history as said


def history(options: argparse.Namespace) -> int:
    """The household's voice history."""
    with opened(options) as house, house.stores.read() as connection:
        rows = said(connection, house.keys.seal, options.account)
    if options.json:
        print_json(rows)
        return 0
    for row in rows:
        sound = f"{row['recording']} bytes of sound" if row["recording"] else "no recording"
        print(f"{row['at']}  {row['device']}  {row['id']}  ({sound})")
        print(f"    said      {row['transcript'] or '(erased)'}\n    answered  {row['response'] or '(erased)'}")
    if not rows:
        print(f"no voice history of {options.account}")
    return 0


def left(options: argparse.Namespace) -> int:
    """What is left of an account; exit code 1 where something is unexplained."""
    with opened(options) as house, house.stores.read() as connection:
        rows = records_left(connection, house.keys, house.policy, options.account, house.clock.now(), house.data)
        proofs = witnessed(connection, options.account)
        name = house.policy.name
    unexplained = sum(row.rule is None for row in rows)
    if options.json:
        report = {"account": options.account, "policy": name, "left": [asdict(row) for row in rows]}
        print_json(report | {"unexplained": unexplained, "witnessed": proofs})
    else:
        from cloud_stub.residue.table import print_left  # noqa: PLC0415 - rich

        print_left(rows, options.account, name)
        if proofs:
            print(f"the witness has fingerprints of {proofs} interactions, for `cloud-stub residue` to search by")
    return 1 if unexplained else 0


def due(options: argparse.Namespace) -> int:
    """What will ring, fire, be met or be charged."""
    with opened(options) as house, house.stores.read() as connection:
        entries = due_soon(connection, house.keys.seal, options.account, house.clock.now(), time_zone(options))
    if options.json:
        print_json(entries)
        return 0
    for entry in entries:
        gone = "  (its recording was deleted)" if entry["recording_deleted"] else ""
        print(f"{entry['when']}  {entry['what']:7} {entry['kind']}: {entry['about']}{gone}")
    if not entries:
        print(f"nothing is due for {options.account}")
    return 0


def status(options: argparse.Namespace) -> int:
    """Counts."""
    with opened(options) as house, house.stores.read() as connection:
        numbers = counts(connection)
    if options.json:
        print_json(numbers)
    else:
        for name, number in numbers.items():
            print(f"{name:14}{number}")
    return 0


def ledger_verify(options: argparse.Namespace) -> int:
    """Check the chain, and hold receipts against it; exit code 1 where it is broken."""
    with open_house(data_folder(options), store=options.store) as house, house.stores.read() as connection:
        wrong = list(ledger.verify(connection))
        for file in options.receipts:
            given = read_receipt(file)
            receipt.verify(given)
            found = receipt.held_against(connection, given)
            wrong += [found] if found else []
    print("\n".join(wrong) or "the chain is whole")
    if not options.receipts:
        print("an end that was cut off shows only against a receipt that has seen it")
    print("whoever holds the signing key could rewrite all of it, and no receipt would tell")
    return 1 if wrong else 0


def read_receipt(file: Path) -> dict[str, object]:
    """A receipt from its file. Raises CloudError where it is none."""
    try:
        given = json.loads(file.read_text("utf-8"))
        msgspec.convert(given, receipt.Shape)
    except (OSError, ValueError, RecursionError) as error:
        raise CloudError(f"{file} is no receipt: {error}. Give a file that `cloud-stub receipt show` wrote.") from error
    return dict(given)
