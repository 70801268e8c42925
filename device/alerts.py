"""Alarms, timers and reminders that ring on the device itself: offline too, and after a restart.

They are kept in a file of their own. Whatever is due rings until it is stopped; what fell due while the device was
off rings when it is back. Only stopping moves a recurring one on to its next time, so no crash can lose a ring.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cloud_stub.contract.messages import Alert, rfc3339
from cloud_stub.contract.recurrence import next_due
from device import database
from device.errors import EchoError

#: Directives that are remembered as done, so that one that is repeated after a restart does not ring twice.
REMEMBERED = 1000

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS alert (interaction TEXT, position INTEGER, kind TEXT NOT NULL, due TEXT NOT NULL,"
    " first TEXT NOT NULL, recurrence TEXT NOT NULL, zone TEXT NOT NULL, about TEXT NOT NULL,"
    " PRIMARY KEY (interaction, position))",
    "CREATE TABLE IF NOT EXISTS done (number INTEGER PRIMARY KEY AUTOINCREMENT, directive TEXT UNIQUE NOT NULL)",
)


@dataclass(frozen=True)
class Kept:
    """An alert that will ring, or rings."""

    interaction: str
    position: int
    kind: str
    due: datetime
    """When it rings next, or since when it does, in UTC."""
    first: datetime
    """When it rang first, or will, in UTC: by that it recurs."""
    recurrence: str
    zone: str
    about: str

    @property
    def local(self) -> datetime:
        """`due` on the wall clock of where it was set."""
        return self.due.astimezone(_zone(self.zone))

    def told(self, *, words: bool = True) -> str:
        """What a person is told when it rings; without `words`, without what somebody said."""
        return f"{self.kind}, due {self.local:%H:%M}{f': {self.about}' if words and self.about else ''}"


class Alerts:
    """What will ring, in one SQLite file; what is forgotten leaves no bytes in it."""

    def __init__(self, folder: Path) -> None:
        """Open, and create, `folder`/alerts.db. Raises EchoError where that cannot be done."""
        self._database = database.open_file(folder / "alerts.db", "alerts", _SCHEMA)

    def keep(self, alert: Alert) -> None:
        """Ring when it is due. The same directive again changes nothing. Raises EchoError where the disk is full."""
        first = rfc3339(alert.due)
        values = (
            *(alert.interaction, alert.position, alert.kind, first, first),
            *(alert.recurrence, alert.zone, alert.about),
        )
        with self._change() as change:
            done = change.execute("INSERT OR IGNORE INTO done (directive) VALUES (?)", (alert.id,))
            if done.rowcount:
                change.execute("INSERT OR REPLACE INTO alert VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
                change.execute("DELETE FROM done WHERE number <= ?", ((done.lastrowid or 0) - REMEMBERED,))

    def forget(self, interactions: Iterable[str]) -> None:
        """Do not ring for these any more. Raises EchoError where the disk is full."""
        with self._change() as change:
            change.executemany("DELETE FROM alert WHERE interaction = ?", [(name,) for name in interactions])

    def forget_about(self, interactions: Iterable[str]) -> None:
        """Ring for these still, and no longer say what about. Raises EchoError where the disk is full."""
        with self._change() as change:
            change.executemany("UPDATE alert SET about = '' WHERE interaction = ?", [(name,) for name in interactions])

    def all(self) -> list[Kept]:
        """Everything that will ring or rings, soonest first."""
        columns = "interaction, position, kind, due, first, recurrence, zone, about"
        rows = self._database.execute(f"SELECT {columns} FROM alert ORDER BY due, interaction")  # noqa: S608
        return [_kept(*row) for row in rows]

    def ringing(self, now: datetime) -> list[Kept]:
        """What rings at that moment."""
        return [kept for kept in self.all() if kept.due <= now]

    def stop(self, now: datetime) -> int:
        """Stop what rings: what comes once is forgotten, what recurs rings next time. Returns how many there were.

        Raises EchoError where the disk is full.
        """
        stopped = self.ringing(now)
        if not stopped:
            return 0
        with self._change() as change:
            for kept in stopped:
                key = (kept.interaction, kept.position)
                due = next_due(kept.first, kept.recurrence, _zone(kept.zone), now)
                if due is None:
                    change.execute("DELETE FROM alert WHERE interaction = ? AND position = ?", key)
                else:
                    change.execute(
                        "UPDATE alert SET due = ? WHERE interaction = ? AND position = ?", (rfc3339(due), *key)
                    )
        return len(stopped)

    def close(self) -> None:
        """Close the file; what will ring stays in it."""
        self._database.close()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database
            # Split and merged pages keep bytes of rows that have moved; secure_delete does not find those.
            self._database.execute("VACUUM")
        except sqlite3.Error as error:
            raise EchoError(f"the alerts cannot be written: {error}. Free some disk space.") from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: "Europe" is a folder
        return ZoneInfo("UTC")


def _kept(interaction: str, position: int, kind: str, due: str, first: str, *rest: str) -> Kept:
    return Kept(interaction, position, kind, datetime.fromisoformat(due), datetime.fromisoformat(first), *rest)
