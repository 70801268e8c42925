"""The outbox: interactions wait here, on disk, until the cloud has answered; then they are forgotten.

It is bounded by age and by bytes. What exceeds them is dropped, oldest first, whole interactions at a time, and counted
in the same file: a device that was offline for long says how much it has lost, also after a restart.
"""

import logging
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cloud_stub.contract.messages import Interaction, Part, encode, new_id, recording_topic
from device import database
from device.errors import EchoError

log = logging.getLogger(__name__)

#: Unless told otherwise what waits for a month is dropped, and what exceeds an hour and a half of speech or so.
LONGEST = timedelta(days=30)
MOST_BYTES = 200_000_000

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " interaction TEXT NOT NULL, part TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS dropped (untold INTEGER NOT NULL)",
    "INSERT INTO dropped SELECT 0 WHERE NOT EXISTS (SELECT * FROM dropped)",
)

#: Interactions that, with all that are newer, hold more bytes than allowed.
_TOO_MANY = """
    SELECT interaction FROM (
        SELECT number, interaction, sum(length(payload)) OVER (ORDER BY number DESC) AS bytes FROM waiting
    ) WHERE bytes > ? GROUP BY interaction ORDER BY min(number)
"""


@dataclass(frozen=True)
class Waiting:
    """One message that the cloud has not answered yet."""

    number: int
    interaction: str
    part: Part
    topic: str
    payload: bytes


class Outbox:
    """A queue in one SQLite file. An interaction is in it, whole, once `put` has returned: it survives a power cut.

    The file has no write-ahead log and secure_delete is on, so a forgotten message leaves no bytes in it.
    """

    def __init__(self, folder: Path, longest: timedelta = LONGEST, most_bytes: int = MOST_BYTES) -> None:
        """Open, and create, `folder`/outbox.db. Raises EchoError where that cannot be done."""
        self._longest, self._most_bytes = longest, most_bytes
        self._database = database.open_file(folder / "outbox.db", "outbox", _SCHEMA)

    def put(self, interaction: Interaction, recording: bytes | None) -> None:
        """Take the interaction and its recording (FLAC) in one commit. Raises EchoError where the disk is full."""
        rows = [(interaction.id, "interaction", interaction.topic(), encode(interaction))]
        if recording is not None:
            rows.append((interaction.id, "recording", recording_topic(interaction.device, interaction.id), recording))
        try:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.executemany(
                    "INSERT INTO waiting (interaction, part, topic, payload) VALUES (?, ?, ?, ?)", rows
                )
        except sqlite3.Error as error:
            raise EchoError(
                f"the outbox cannot take what was heard: {error}. Free some disk space; it was not sent."
            ) from error

    def waiting(self, limit: int = 100) -> list[Waiting]:
        """The oldest messages that are not answered, in the order in which they were heard."""
        rows = self._database.execute(
            "SELECT number, interaction, part, topic, payload FROM waiting ORDER BY number LIMIT ?", (limit,)
        )
        return [Waiting(*row) for row in rows]

    def __len__(self) -> int:
        """How many messages wait."""
        (count,) = self._database.execute("SELECT count(*) FROM waiting").fetchone()
        return int(count)

    def forget(self, interaction: str, part: Part | None) -> None:
        """The cloud has answered for this part (None: for all of the interaction): erase it.

        Where a full disk does not let us, it stays, is sent again and answered again.
        """
        self._erase("interaction = ? AND part = coalesce(?, part)", (interaction, part))

    def drop(self, now: datetime) -> list[str]:
        """Drop what is older, or more, than the bounds allow, oldest first. Returns the interactions, and counts them.

        How old an interaction is is told by its id.
        """
        (held,) = self._database.execute("SELECT coalesce(sum(length(payload)), 0) FROM waiting").fetchone()
        oldest = new_id(now - self._longest)[:13]  # the milliseconds of a UUIDv7
        query = "SELECT DISTINCT interaction FROM waiting WHERE interaction < ?"
        excess = [row[0] for row in self._database.execute(query, (oldest,))]
        if held > self._most_bytes:
            excess += [row[0] for row in self._database.execute(_TOO_MANY, (self._most_bytes,)) if row[0] not in excess]
        return [interaction for interaction in excess if self._erase("interaction = ?", (interaction,), dropped=1)]

    def untold(self) -> int:
        """How many interactions were dropped and not yet told of."""
        (count,) = self._database.execute("SELECT untold FROM dropped").fetchone()
        return int(count)

    def told(self, count: int) -> None:
        """Whoever should know has been told of so many."""
        try:
            self._database.execute("UPDATE dropped SET untold = untold - ?", (count,))
        except sqlite3.Error as error:
            log.warning("the outbox cannot be written: %s; the same drops will be told of again", error)

    def close(self) -> None:
        """Close the file; what waits stays in it."""
        self._database.close()

    def _erase(self, where: str, values: tuple[str | None, ...], dropped: int = 0) -> bool:
        """Delete rows, bytes and all. Returns whether the disk let us."""
        try:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.execute(f"DELETE FROM waiting WHERE {where}", values)  # noqa: S608 - words of ours
                if dropped:
                    self._database.execute("UPDATE dropped SET untold = untold + ?", (dropped,))
            if not len(self):
                # Split and merged pages keep bytes of rows that have moved; secure_delete does not find those.
                self._database.execute("VACUUM")
        except sqlite3.Error as error:
            log.warning("the outbox cannot forget yet: %s. Free some disk space.", error)
            return False
        return True
