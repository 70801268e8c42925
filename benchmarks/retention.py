"""Erasing and sweeping at scale: python -m benchmarks.retention [--interactions 1000000] [--json]

A. Erasing one account's thousand interactions in a large store, against the same account in a small one.
B. A sweep of a tenth of all rows, against bare chunked DELETEs on a copy of the same files.
C. How long a chunk of a sweep holds the write lock.
"""

import argparse
import json
import platform
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from cloud_stub.contract.messages import new_id, rfc3339
from cloud_stub.house import open_house
from cloud_stub.retention import policy
from cloud_stub.retention.scopes import Scope
from cloud_stub.retention.sweeper import CHUNK, Sweeper
from cloud_stub.stores import sqlite
from cloud_stub.stores.tables import STORES

THOUSAND = 1000
TEXT = "set a recurring alarm for seven a m every day except on sundays"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
SWEPT = (("primary", "transcript"), ("primary", "response"), ("subsystems", "transcript"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retention-") as name:
        figures = measure(Path(name), options.interactions)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for key, value in figures.items():
        print(f"{key:44}{value}")


def measure(folder: Path, interactions: int) -> dict[str, Any]:
    """All figures, in milliseconds and rows a second."""
    small, large = folder / "small", folder / "large"
    load(small, 10_000)
    load(large, interactions)
    copy = folder / "copy"
    shutil.copytree(large, copy)
    erased = {place.name: [erase(place, f"account{number}") for number in (3, 4, 5)] for place in (small, large)}
    tell("sweeping")
    sweep_rate, longest = sweep(large)
    tell("sweeping with bare statements")
    bare_rate = bare(copy)
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "interactions": interactions,
        "A erase 1000 of 10000, ms (baseline)": round(median(erased["small"])),
        f"A erase 1000 of {interactions}, ms": round(median(erased["large"])),
        "A ratio (wanted: at most 1.3)": round(median(erased["large"]) / median(erased["small"]), 2),
        "B bare chunked DELETE, rows/s (baseline)": round(bare_rate),
        "B sweep, rows/s": round(sweep_rate),
        "B ratio (wanted: at least 0.7)": round(sweep_rate / bare_rate, 2),
        "C longest chunk, ms (wanted: under 250)": round(longest),
    }


def load(data: Path, interactions: int) -> None:
    """Fill a folder: a thousand interactions an account, of all accounts in turn; a tenth are over a year old."""
    with open_house(data, "amazon-2019", create=True):
        pass
    accounts = max(10, interactions // THOUSAND)
    files = sqlite.Files({store: data / "cloud" / f"{store}.db" for store in STORES})
    chance = random.Random(1)  # noqa: S311 - no secret
    start = NOW - timedelta(days=400)
    step = timedelta(days=399) / interactions
    common = "account, interaction, position, device, at, received_at"
    for first in range(0, interactions, 50_000):
        tell(f"loading {first} of {interactions}")
        rows = []
        for number in range(first, min(first + 50_000, interactions)):
            moment = start + step * number
            at = rfc3339(moment)
            rows.append((f"account{number % accounts}", new_id(moment), 0, "kitchen", at, at))
        with files.writing() as database:
            database.execute("BEGIN")
            for table, columns, values in (
                ("primary.transcript", "text", lambda: (f"{TEXT} {chance.random()}",)),
                ("primary.response", "text", lambda: (f"Okay. {TEXT} {chance.random()}",)),
                ("subsystems.transcript", "request, response", lambda: (TEXT, f"Okay. {chance.random()}")),
            ):
                store, kind = table.split(".")
                marks = ", ".join("?" * (6 + columns.count(",") + 1))
                database.executemany(
                    f'INSERT INTO "{store}"."{kind}" ({common}, {columns}) VALUES ({marks})',  # noqa: S608
                    (row + values() for row in rows),
                )
            database.executemany(
                f'INSERT INTO "actions"."alarm" ({common}, time) VALUES (?, ?, ?, ?, ?, ?, ?)',  # noqa: S608
                ((*row, "07:00") for row in rows[::10]),
            )
            database.executemany(
                'INSERT INTO "operations"."seen" VALUES (?, ?, ?, ?, ?)',
                ((row[0], row[1], "interaction", row[5], "stored") for row in rows),
            )
            database.execute("COMMIT")
    files.close()


def erase(data: Path, account: str) -> float:
    """Milliseconds until everything of the account is erased, physically."""
    with open_house(data, "erase-everything") as house:
        now = rfc3339(house.clock.now())
        began = time.perf_counter()
        house.engine.erase([Scope(new_id(), account, now, until=now)])
        return (time.perf_counter() - began) * 1000


def yearly() -> policy.Policy:
    """The letter's rules, but transcripts, responses and copies go after a year, and `seen` stays."""
    text = (policy.SHIPPED / "amazon-2019.toml").read_text("utf-8")
    text = text.replace(
        'kind = ["recording", "transcript", "response"]\ntrigger = ["age", "inactive"]\naction = "keep"',
        'kind = ["recording", "transcript", "response"]\ntrigger = "age"\naction = "erase"\nafter = "P365D"',
    ).replace(
        'store = ["subsystems", "training"]\nkind = ["recording", "transcript"]\ntrigger = ["age", "inactive"]\n'
        'action = "keep"',
        'store = ["subsystems", "training"]\nkind = ["recording", "transcript"]\ntrigger = "age"\naction = "erase"\n'
        'after = "P365D"',
    )
    text = text.replace('trigger = "age"\naction = "erase"\nafter = "P30D"', 'trigger = "age"\naction = "keep"')
    extra = (
        '\n[[rule]]\nstore = ["primary", "subsystems", "training"]\nkind = ["recording", "transcript", "response"]\n'
        'trigger = "inactive"\naction = "keep"\nbecause = "for measuring (assumed)"\nassumed = true\n'
    )
    return policy.parse(text + extra, "yearly.toml")


def sweep(data: Path) -> tuple[float, float]:
    """(rows a second, longest step in ms) of a sweep of what is over a year old."""
    with open_house(data, "amazon-2019") as house:
        house.engine.policy = yearly()
        sweeper = Sweeper(house.stores, house.keys, house.engine, _Fixed(NOW))  # type: ignore[arg-type]
        longest = 0.0
        began = time.perf_counter()
        more = True
        while more:
            step = time.perf_counter()
            more = sweeper.step()
            longest = max(longest, (time.perf_counter() - step) * 1000)
        return sweeper.swept / (time.perf_counter() - began), longest


class _Fixed:
    """A clock that stands still."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        """Always the same."""
        return self._now


def bare(data: Path) -> float:
    """Rows a second of plain DELETEs of the same rows, in chunks of the same size; then a checkpoint."""
    files = sqlite.Files({store: data / "cloud" / f"{store}.db" for store in STORES})
    due = rfc3339(NOW - timedelta(days=365))
    rows = 0
    began = time.perf_counter()
    for store, kind in SWEPT:
        for keys in _chunks(files.connection, store, kind, due):
            with files.writing() as database:
                database.execute("BEGIN IMMEDIATE")
                database.executemany(
                    f'DELETE FROM "{store}"."{kind}" WHERE account = ? AND interaction = ? AND position = ?',  # noqa: S608
                    keys,
                )
                database.execute("COMMIT")
            rows += len(keys)
    files.checkpoint()
    rate = rows / (time.perf_counter() - began)
    files.close()
    return rate


def _chunks(database: sqlite3.Connection, store: str, kind: str, due: str) -> Iterator[list[tuple[str, str, int]]]:
    columns = f'account, interaction, position FROM "{store}"."{kind}" WHERE received_at <= ?'
    rows = database.execute(f"SELECT {columns}", (due,)).fetchall()
    for first in range(0, len(rows), CHUNK):
        yield rows[first : first + CHUNK]


def tell(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
