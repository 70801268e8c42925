"""The rows of one ingest transaction, and what the transaction has to know about the past."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from cloud_stub.contract.messages import Directive, directive_topic, encode
from cloud_stub.retention import scopes
from cloud_stub.retention.scopes import Scope
from cloud_stub.stores.tables import RECORDS, directive, seen


@dataclass(frozen=True)
class Incoming:
    """A message as the broker delivered it; `ack` tells the broker that it is settled."""

    topic: str
    payload: bytes
    mid: int = 0
    qos: int = 1


@dataclass(frozen=True)
class Origin:
    """Which interaction of whom a record comes from. Times are RFC 3339 text in UTC."""

    account: str
    device: str
    interaction: str
    at: str
    received_at: str

    def columns(self, position: int = 0) -> dict[str, Any]:
        """The columns that every record has."""
        return {
            "account": self.account,
            "interaction": self.interaction,
            "position": position,
            "device": self.device,
            "at": self.at,
            "received_at": self.received_at,
        }


@dataclass
class Batch:
    """Collects rows and writes them together. Writing a row that is there already changes nothing."""

    connection: Connection
    accounts: Iterable[str]
    interactions: Iterable[str]
    _rows: dict[Table, list[dict[str, Any]]] = field(default_factory=dict)
    _deleted: dict[str, list[Scope]] = field(init=False)
    _seen: dict[tuple[str, str], str] = field(init=False)

    def __post_init__(self) -> None:
        """Look up, once for the whole batch, what was deleted and what was answered before."""
        self._deleted = scopes.of_accounts(self.connection, set(self.accounts))
        wanted = select(seen.c.interaction, seen.c.part, seen.c.answer).where(
            seen.c.interaction.in_(set(self.interactions))
        )
        self._seen = {(row.interaction, row.part): row.answer for row in self.connection.execute(wanted)}

    def record(self, store: str, kind: str, origin: Origin, *, position: int = 0, **fields: Any) -> None:
        """Add a record of that kind."""
        self.add(RECORDS[store, kind], origin.columns(position) | fields)

    def add(self, table: Table, row: dict[str, Any]) -> None:
        """Add a row of any table."""
        self._rows.setdefault(table, []).append(row)

    def send(self, message: Directive, origin: Origin, interaction: str | None) -> None:
        """Queue a directive for the device that the message came from."""
        self.add(
            directive,
            {
                "id": message.id,
                "account": origin.account,
                "interaction": interaction,
                "received_at": origin.received_at,
                "recipient": f"device/{origin.device}",
                "purpose": message.name,
                "topic": directive_topic(origin.device, message.name),
                "payload": encode(message),
                "attempts": 0,
            },
        )

    def flush(self) -> None:
        """Write the rows, so that a query of this transaction finds them."""
        for table, rows in self._rows.items():
            self.connection.execute(insert(table).prefix_with("OR IGNORE", dialect="sqlite"), rows)
        self._rows.clear()

    def deleted(self, origin: Origin) -> bool:
        """Whether a deletion covers the interaction."""
        mine = self._deleted.get(origin.account, [])
        return any(scope.covers(origin.interaction, origin.at, origin.received_at) for scope in mine)

    def delete(self, scope: Scope) -> None:
        """Remember a deletion; it holds for the rest of the batch too."""
        scopes.remember(self.connection, scope)
        self._deleted.setdefault(scope.account, []).append(scope)

    def answered(self, interaction: str, part: str) -> str | None:
        """The answer that this part of the interaction got before, or None."""
        return self._seen.get((interaction, part))

    def mark(self, origin: Origin, part: str, answer: str) -> None:
        """Note the answer, so that a repeated message gets it again and is not acted on again."""
        self._seen[origin.interaction, part] = answer
        self.add(
            seen,
            {
                "interaction": origin.interaction,
                "part": part,
                "account": origin.account,
                "received_at": origin.received_at,
                "answer": answer,
            },
        )
