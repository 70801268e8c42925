"""Commands on receipts: list, show, verify."""

import argparse
import json
from pathlib import Path
from typing import Any

from cloud_stub import durable
from cloud_stub.commands.common import opened, print_json
from cloud_stub.commands.look import read_receipt
from cloud_stub.errors import CloudError
from cloud_stub.retention import receipt


def listed(options: argparse.Namespace) -> int:
    """The deletions that the ledger knows of."""
    with opened(options) as house, house.stores.read() as connection:
        rows = receipt.listed(connection)
    if options.json:
        print_json(rows)
        return 0
    for row in rows:
        print(f"{row['at']}  {row['deletion']}  {row['trigger']}, {row['records']} records")
    if not rows:
        print("nothing has been deleted yet")
    return 0


def show(options: argparse.Namespace) -> int:
    """A deletion's receipt, the last one's by default."""
    with opened(options) as house, house.stores.read() as connection:
        known = receipt.listed(connection)
        if not known:
            raise CloudError("nothing has been deleted yet, so there is no receipt.")
        made = receipt.make(connection, house.keys, house.policy, options.deletion or known[-1]["deletion"])
    if options.out:
        write(made, options.out)
    else:
        print_json(made)
    return 0


def verify(options: argparse.Namespace) -> int:
    """Check a receipt's signature, without any cloud."""
    given: dict[str, Any] = read_receipt(options.file)
    receipt.verify(given, options.key)
    print(f"signed and unchanged: {len(given['decisions'])} decisions, ledger of {given['ledger']['length']} entries")
    if options.key is None:
        print(f"signed with the key {given['key']}: compare it with the cloud's, or give it with --key")
    return 0


def write(made: dict[str, Any], file: Path) -> None:
    """A receipt into a file. Raises CloudError where it cannot be written."""
    try:
        durable.write(file, f"{json.dumps(made, indent=2, ensure_ascii=False)}\n".encode())
    except OSError as error:
        raise CloudError(f"the receipt cannot be written to {file}: {error}. Choose another place.") from error
