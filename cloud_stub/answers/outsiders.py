"""What others would see: a skill's developer, whoever trains a model, and whoever gets hold of the disk."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cloud_stub.house import House
from cloud_stub.residue.places import places
from cloud_stub.stores.tables import RECORDS, THIRD_PARTIES, fields
from cloud_stub.third_parties.partner import held

#: Printable text of three words at least.
_SENTENCE = re.compile(rb"[A-Za-z][ -~]*? [ -~]*? [ -~]*")
_CHUNK = 1 << 20
_SHOWN = 20


def developers(house: House, account: str) -> dict[str, list[dict[str, Any]]]:
    """By third party: the records in its own folder."""
    return {name: held(house.data, name, account) for name in THIRD_PARTIES}


def trainer(house: House) -> list[dict[str, Any]]:
    """The training corpus, with what tells whose it is: the account stands beside every sample (L11)."""
    rows = []
    with house.stores.read() as connection:
        for (store, kind), table in RECORDS.items():
            if store != "training":
                continue
            found = connection.execute(select(table).order_by(*table.primary_key)).mappings()
            for row in house.keys.seal.opened(table, found):
                content = {name: _shown(row[name]) for name in fields(table)}
                rows.append({"account": row["account"], "at": row["at"], "kind": kind, "content": content})
    return rows


def finder(data: Path) -> dict[str, dict[str, Any]]:
    """By place: how many sentences a person with a copy of the disk could read there, and some of them.

    Reads files as files: nobody who has the stores open in this process may call it (POSIX drops their locks).
    """
    found: dict[str, dict[str, Any]] = {}
    for place in places(data):
        counted: Counter[str] = Counter()
        for file in place.files:
            if file not in place.unreadable:
                counted.update(_sentences(file))
        if counted:
            most = [text for text, _ in counted.most_common(_SHOWN)]
            found[place.name] = {"sentences": len(counted), "some": most}
    return found


def _sentences(file: Path) -> Counter[str]:
    """Stretches of printable text with at least three words, but for the stores' own SQL."""
    counted: Counter[str] = Counter()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            for stretch in re.findall(rb"[ -~]{12,}", chunk):
                if not re.search(rb"CREATE (TABLE|INDEX|UNIQUE)|sqlite_", stretch) and _SENTENCE.search(stretch):
                    counted[stretch.decode("ascii")] += 1
    return counted


def _shown(value: object) -> object:
    return f"{len(value)} bytes of sound" if isinstance(value, bytes) else value
