"""The outbox: interactions wait here, on disk, until the cloud has answered; then they are forgotten."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from cloud_stub.contract.messages import Interaction, Part, encode, recording_topic
from device.errors import EchoError


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

    def __init__(self, folder: Path) -> None:
        """Open, and create, `folder`/outbox.db. Raises EchoError where that cannot be done."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = sqlite3.connect(folder / "outbox.db", isolation_level=None)
            for pragma in ("journal_mode=delete", "synchronous=extra", "secure_delete=on"):
                self._database.execute(f"PRAGMA {pragma}")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY AUTOINCREMENT,"
                " interaction TEXT NOT NULL, part TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL)"
            )
        except (OSError, sqlite3.Error) as error:
            raise EchoError(f"the outbox in {folder} cannot be opened: {error}. Choose another --data.") from error

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
        """The cloud has answered for this part (None: for all of the interaction): erase it."""
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(
                "DELETE FROM waiting WHERE interaction = ? AND part = coalesce(?, part)", (interaction, part)
            )
        if not len(self):
            # Pages that were split and merged keep bytes of rows that have moved; secure_delete does not find those.
            self._database.execute("VACUUM")

    def close(self) -> None:
        """Close the file; what waits stays in it."""
        self._database.close()
