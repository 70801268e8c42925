"""Erasing and sweeping at scale: python -m benchmarks.retention [--interactions 1000000] [--trials 3] [--json]

A. Erasing one account's thousand interactions in a large store, against the same account in a small one, in turn.
B. A sweep of a tenth of all rows, against bare chunked DELETEs of the same rows on another copy of the same files.
   Both go on in turn, a chunk each, so that whatever else the machine does slows both down. The bare statements have
   everything but the retention: the same connection settings (WAL, synchronous=FULL, secure_delete=on), lock, size of
   chunks, order of rows and writing back of logs. They find the keys of all rows by one query a table, which counts.
   On a busy machine compare the processor times: waiting for the disk costs more there, and the sweep has two logs.
C. How long a step of that sweep takes, which is how long it can keep what arrives waiting.
"""

import argparse
import gc
import os
import platform
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import show
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
SWEPT = (("primary", "response"), ("primary", "transcript"), ("subsystems", "transcript"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--trials", type=int, default=3, help="how often B and C are measured")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retention-") as name:
        figures = measure(Path(name), options.interactions, options.trials)
    show(figures, as_json=options.json)


def measure(folder: Path, interactions: int, trials: int) -> dict[str, Any]:
    """All figures, in milliseconds and rows a second."""
    small, large = folder / "small", folder / "large"
    load(small, 10_000)
    load(large, interactions)
    races = []
    for trial in range(trials):
        tell(f"sweeping, trial {trial + 1} of {trials}")
        with tempfile.TemporaryDirectory(dir=folder) as name:
            races.append(race(*(copy(large, Path(name) / each) for each in ("swept", "bare"))))
    tell("erasing")
    erased: dict[Path, list[float]] = {small: [], large: []}
    for number in range(1, 10):
        for place, times in erased.items():
            times.append(erase(place, f"account{number}"))
    slower = [late / soon for soon, late in zip(*erased.values(), strict=True)]
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "interactions": interactions,
        "A erase 1000 of 10000, ms (baseline)": round(median(erased[small])),
        f"A erase 1000 of {interactions}, ms": round(median(erased[large])),
        "A ratio (wanted: at most 1.3)": round(median(slower), 2),
        f"B chunk, rows ({trials} trials: min, median, max)": CHUNK,
        "B bare chunked DELETE, rows/s (baseline)": spread([race["bare"] for race in races]),
        "B sweep, rows/s": spread([race["sweep"] for race in races]),
        "B ratio (wanted: at least 0.7)": spread([race["sweep"] / race["bare"] for race in races], 2),
        "B ratio of processor times": spread([race["work"] for race in races], 2),
        "C longest bare step, ms (baseline)": spread([race["bare_longest"] for race in races]),
        "C longest step, ms (wanted: under 250)": spread([race["sweep_longest"] for race in races]),
    }


def spread(values: list[float], digits: int | None = None) -> str:
    """Lowest, median and highest."""
    return ", ".join(str(round(value, digits)) for value in (min(values), median(values), max(values)))


def copy(data: Path, to: Path) -> Path:
    """A copy of the folder, written out, so that nobody's first commit has to wait for it."""
    shutil.copytree(data, to)
    os.sync()
    return to


def load(data: Path, interactions: int) -> None:
    """Fill a folder: a thousand interactions an account, of all accounts in turn; a tenth are over a year old."""
    with open_house(data, "amazon-2019", create=True):
        pass
    accounts = max(10, interactions // THOUSAND)
    names = [f"account{number}" for number in range(accounts)]
    files = _files(data)
    chance = random.Random(1)  # noqa: S311 - no secret
    start = NOW - timedelta(days=400)
    step = timedelta(days=399) / interactions
    with files.writing() as database:
        heard = [(name, 0, rfc3339(start), rfc3339(NOW), None) for name in names]
        database.executemany('INSERT INTO "operations"."account" VALUES (?, ?, ?, ?, ?)', heard)
    common = "account, interaction, position, device, at, received_at"
    for first in range(0, interactions, 50_000):
        tell(f"loading {first} of {interactions}")
        rows = []
        for number in range(first, min(first + 50_000, interactions)):
            moment = start + step * number
            at = rfc3339(moment)
            rows.append((names[number % accounts], new_id(moment), 0, "kitchen", at, at))
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


def race(swept: Path, bare: Path) -> dict[str, float]:
    """A sweep of what is over a year old, and bare DELETEs of the same rows: rows a second, longest steps in ms."""
    with open_house(swept, "amazon-2019") as house, closing(_files(bare)) as files:
        house.engine.policy = yearly()
        sweeper = Sweeper(house.stores, house.keys, house.engine, _Fixed(NOW))  # type: ignore[arg-type]
        chunks = delete(files, rfc3339(NOW - timedelta(days=365)))
        deleted: list[int] = []

        def bare_step() -> bool:
            deleted.append(next(chunks, 0))
            return deleted[-1] > 0

        # As `serve` does before it begins.
        gc.freeze()
        pairs = zip_longest(laps(sweeper.step), laps(bare_step), fillvalue=(0.0, 0.0))
        mine, theirs = zip(*pairs, strict=True)
    assert sweeper.swept == sum(deleted)
    (swept_s, swept_work), (bare_s, bare_work) = (map(sum, zip(*both, strict=True)) for both in (mine, theirs))
    return {
        "sweep": sweeper.swept / swept_s,
        "bare": sweeper.swept / bare_s,
        "work": bare_work / swept_work,
        "sweep_longest": max(mine)[0] * 1000,
        "bare_longest": max(theirs)[0] * 1000,
    }


def laps(step: Callable[[], bool]) -> Iterator[tuple[float, float]]:
    """(seconds, processor seconds) of each step, until one says that it was the last."""
    more = True
    while more:
        began, worked = time.perf_counter(), time.thread_time()
        more = step()
        yield time.perf_counter() - began, time.thread_time() - worked


class _Fixed:
    """A clock that stands still."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        """Always the same."""
        return self._now


def delete(files: sqlite.Files, due: str) -> Iterator[int]:
    """Delete what was received up to `due`, a chunk at a time, by primary key; then leave no log."""
    for store, kind in SWEPT:
        found = f'SELECT account, interaction, position FROM "{store}"."{kind}" WHERE received_at <= ?'  # noqa: S608
        keys = files.connection.execute(f"{found} ORDER BY account, received_at", (due,)).fetchall()
        gone = f'DELETE FROM "{store}"."{kind}" WHERE account = ? AND interaction = ? AND position = ?'  # noqa: S608
        for first in range(0, len(keys), CHUNK):
            chunk = keys[first : first + CHUNK]
            with files.writing() as database:
                database.execute("BEGIN IMMEDIATE")
                database.executemany(gone, chunk)
                database.execute("COMMIT")
            yield len(chunk)
    files.checkpoint()


def _files(data: Path) -> sqlite.Files:
    return sqlite.Files({store: data / "cloud" / f"{store}.db" for store in STORES})


def tell(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
