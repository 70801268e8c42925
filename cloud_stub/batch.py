"""The rows of one ingest transaction, and what the transaction has to know about the past."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, select

from cloud_stub import accounts
from cloud_stub.contract.messages import Directive, Forgotten, Part, Stored, directive_topic, encode, new_id
from cloud_stub.retention import household, scopes
from cloud_stub.retention.household import Household
from cloud_stub.retention.policy import Policy
from cloud_stub.retention.scopes import Scope
from cloud_stub.stores.repository import one_of
from cloud_stub.stores.sealing import Seal
from cloud_stub.stores.tables import RECORDS, directive, seen


@dataclass(frozen=True)
class Incoming:
    """A message as the broker delivered it; `mid` and `qos` tell the broker which one is settled."""

    topic: str
    payload: bytes
    mid: int = 0
    qos: int = 1
    copies: list[tuple[int, int]] = field(default_factory=list, compare=False)
    """(mid, qos) of the same message, delivered again while it waited for its turn: settled with it."""


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
    seal: Seal
    named: Collection[tuple[str, str]] = ()
    """(device, interaction) of the messages; "" for one that does not name its interaction at its head."""
    policy: Policy | None = None
    _rows: dict[Table, list[dict[str, Any]]] = field(default_factory=dict)
    _deleted: dict[str, list[Scope]] = field(init=False)
    _seen: dict[tuple[str, str, str], str] = field(default_factory=dict)
    _looked_up: set[tuple[str, str]] = field(default_factory=set)
    _households: dict[str, Household] = field(default_factory=dict)
    owners: dict[str, str] = field(init=False)
    """The account of each device of the batch; one that is missing is not registered."""
    closed: set[str] = field(init=False)
    """Those of the accounts that are closed."""
    heard: set[str] = field(default_factory=set)
    """The accounts that said something."""
    confirmed: set[tuple[str, str]] = field(default_factory=set)
    """(recipient, id) of the directives that their recipients say they have acted on."""
    words: dict[Origin, dict[str, str]] = field(default_factory=dict)
    """The texts of each interaction's records, by the field they are in, for the witness."""
    sounds: dict[Origin, bytes] = field(default_factory=dict)
    """The recordings, FLAC, for the witness."""

    def __post_init__(self) -> None:
        """Look up, once for the whole batch, whose devices these are, what was deleted and what was answered before."""
        self.owners = accounts.owners(self.connection, {device for device, _ in self.named})
        mine = set(self.owners.values())
        self.closed = accounts.closed(self.connection, mine)
        self._deleted = scopes.of_accounts(self.connection, mine)
        self._look_up({(self.owners[device], name) for device, name in self.named if name and device in self.owners})
        if self.policy is not None:
            self._households = household.of_accounts(self.connection, self.policy, mine)

    def record(self, store: str, kind: str, origin: Origin, *, position: int = 0, **fields: Any) -> None:
        """Add a record of that kind."""
        self.add(RECORDS[store, kind], origin.columns(position) | fields)
        if texts := {f"{kind}.{name}": value for name, value in fields.items() if isinstance(value, str)}:
            self.words.setdefault(origin, {}).update(texts)
        for value in fields.values():
            if isinstance(value, bytes):
                self.sounds[origin] = value

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

    def answer(self, origin: Origin, part: Part, answer: str) -> None:
        """Queue the answer for that part of the interaction: "stored" or "forgotten"."""
        kind = Stored if answer == Stored.name else Forgotten
        self.send(kind(id=new_id(), interaction=origin.interaction, part=part), origin, origin.interaction)

    def flush(self, *tables: Table) -> None:
        """Write the rows, or those of these tables, so that a query of this transaction finds them."""
        for table in tables or list(self._rows):
            if rows := self._rows.pop(table, None):
                self.seal.insert(self.connection, table, rows)

    def deleted(self, origin: Origin) -> bool:
        """Whether a deletion covers the interaction."""
        mine = self._deleted.get(origin.account, [])
        return origin.account in self.closed or any(
            scope.covers(origin.interaction, origin.at, origin.received_at) for scope in mine
        )

    def delete(self, scope: Scope) -> None:
        """Remember a deletion; it holds for the rest of the batch too."""
        scopes.remember(self.connection, scope)
        self._deleted.setdefault(scope.account, []).append(scope)

    def household(self, account: str) -> Household:
        """The account's settings."""
        if account not in self._households:
            assert self.policy is not None
            self._households[account] = household.of(self.connection, self.policy, account)
        return self._households[account]

    def changed(self, account: str) -> None:
        """The account's settings have just been changed."""
        self._households.pop(account, None)

    def answered(self, origin: Origin, part: str) -> str | None:
        """The answer that this part of the interaction got before, or None."""
        if (origin.account, origin.interaction) not in self._looked_up:
            self._look_up({(origin.account, origin.interaction)})
        return self._seen.get((origin.account, origin.interaction, part))

    def _look_up(self, interactions: set[tuple[str, str]]) -> None:
        """Find out what was answered before to these interactions, (account, id)."""
        self._looked_up |= interactions
        wanted = select(seen).where(one_of(self.connection, (seen.c.account, seen.c.interaction), interactions))
        self._seen |= {(row.account, row.interaction, row.part): row.answer for row in self.connection.execute(wanted)}

    def mark(self, origin: Origin, part: str, answer: str) -> None:
        """Note the answer, so that a repeated message gets it again and is not acted on again."""
        self._seen[origin.account, origin.interaction, part] = answer
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
