"""Every table of every store, one schema a store.

A *record* is a row derived from an interaction: it names the interaction and the account it came from, when the
device heard it (`at`), when the cloud received it (`received_at`), and, once a trigger has fired for the interaction,
which one (`deleted_by`) and when (`deleted_at`). What a rule lets stay is thereby known from the row itself, and what a
rule erases only `after` a while is found by these columns: there is no second list of due work that could disagree with
the data. Under a policy that seals, `seal` numbers the key that the row's content is encrypted with (sealing.py).
Times are RFC 3339 UTC text of one width, so that text order is time order.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, text

metadata = MetaData()

#: The stores in the order in which SQLite commits them when a transaction spans several (each file is atomic by
#: itself only). The ledger comes first: a decision is written before it is carried out. `operations` comes last: a row
#: in `seen`, or a deletion marked done, proves that everything else in its transaction was committed before it.
STORES = ("ledger", "primary", "subsystems", "actions", "commerce", "training", "witness", "operations")

#: Columns that every record has; all others are the record's fields.
RECORD_COLUMNS = (
    "account",
    "interaction",
    "position",
    "device",
    "at",
    "received_at",
    "deleted_at",
    "deleted_by",
    "seal",
)

#: Fields of records that SQL searches or updates: they are never sealed. Both are words of ours.
NEVER_SEALED = ("partner", "status")


_SEALED = text("seal IS NOT NULL")


def _seal(kind: str) -> tuple[Column[Any], Index]:
    """The number of the row's key, NULL where the row is not sealed; numbers rise, so the index grows at its end."""
    return Column("seal", BigInteger), Index(f"{kind}_seal", "seal", sqlite_where=_SEALED)


_MARKED = text("deleted_at IS NOT NULL")


def _record(store: str, kind: str, *columns: Column[Any], large: bool = False) -> Table:
    """A record's table, clustered by account and time-ordered interaction id (a rowid table where rows are large)."""
    return Table(
        kind,
        metadata,
        Column("account", Text, primary_key=True),
        Column("interaction", Text, primary_key=True),
        Column("position", Integer, primary_key=True, autoincrement=False, default=0),
        Column("device", Text, nullable=False),
        Column("at", Text, nullable=False),
        Column("received_at", Text, nullable=False),
        Column("deleted_at", Text),
        Column("deleted_by", Text),
        # Before the fields: a search for keys need not read through a recording.
        *_seal(kind),
        *columns,
        # By account first: an index by time alone would scatter one account's rows over all of its pages, and make
        # the erasure of a thousand interactions slower the more others there are.
        Index(f"{kind}_received_at", "account", "received_at"),
        Index(f"{kind}_deleted_at", "account", "deleted_at", sqlite_where=_MARKED),
        schema=store,
        sqlite_with_rowid=large,
    )


def _number(name: str) -> Column[Any]:
    """A number that may be sealed, and is text then."""
    return Column(name, JSON(none_as_null=True))


_record("primary", "recording", Column("flac", LargeBinary), large=True)
_record(
    "primary",
    "transcript",
    Column("source", Text),
    Column("wake_word", Text),
    Column("text", Text),
    Column("words", JSON),
    Column("model", Text),
)
_record("primary", "response", Column("intent", Text), Column("text", Text))

_record("subsystems", "transcript", Column("subsystem", Text), Column("request", Text), Column("response", Text))

_record("actions", "alarm", Column("time", Text), Column("recurrence", Text), Column("due", Text))
_record("actions", "reminder", Column("about", Text), Column("due", Text), Column("recurrence", Text))
_record("actions", "meeting", Column("title", Text), Column("attendee", Text), Column("starts", Text))
_record("actions", "message", Column("recipient", Text), Column("sent_at", Text), Column("text", Text))
_record("actions", "fact", Column("text", Text))
_record("actions", "list_item", Column("list", Text), Column("item", Text))
_record("actions", "timer", _number("seconds"), Column("due", Text))

_record("commerce", "subscription", Column("service", Text))
_record("commerce", "order", Column("shop", Text), Column("items", Text))
for _kind, _columns in {
    "ride": ("provider", "destination"),
    "pizza": ("shop", "size", "topping"),
    "in_skill_purchase": ("skill", "product"),
}.items():
    _record(
        "commerce",
        _kind,
        *(Column(name, Text) for name in _columns),
        *((_number("quantity"),) if _kind == "pizza" else ()),
        Column("partner", Text),
        Column("status", Text),
        Column("reference", Text),
    )

_record("training", "recording", Column("flac", LargeBinary), large=True)
_record("training", "transcript", Column("text", Text))

#: What proves afterwards that the words and the sound are gone (residue/witness.py): keyed fingerprints of them, never
#: they themselves. `short` names the fields that were too short to have one.
_record("witness", "fingerprint", Column("needles", LargeBinary), Column("short", Text))

#: Ids of the messages that were answered, so that a redelivered one is answered again and never acted on again.
seen = Table(
    "seen",
    metadata,
    Column("account", Text, primary_key=True),
    Column("interaction", Text, primary_key=True),
    Column("part", Text, primary_key=True),
    Column("received_at", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Index("seen_received_at", "account", "received_at"),
    schema="operations",
    sqlite_with_rowid=False,
)

#: What a trigger took: the household's deletion, most often. It outlives the records, so that what arrives late stays
#: deleted.
scope = Table(
    "scope",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("interaction", Text),
    Column("since", Text),
    Column("until", Text),
    Column("requested_at", Text, nullable=False),
    Column("requested_by", Text),
    Column("trigger", Text, nullable=False),
    Column("done_at", Text),
    Index("scope_interaction", "account", "interaction"),
    schema="operations",
    sqlite_with_rowid=False,
)

#: Messages on their way out, to devices and third parties: written with the records, sent after commit, repeated
#: until confirmed, then erased (they hold words).
directive = Table(
    "directive",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False, index=True),
    Column("interaction", Text),
    Column("received_at", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("trigger", Text),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    *_seal("directive"),
    Column("attempts", Integer, nullable=False, default=0),
    Index("directive_recipient", "recipient"),
    schema="operations",
    sqlite_with_rowid=False,
)

#: Messages that could not be taken, kept for whoever has to find out why.
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False, index=True),
    Column("interaction", Text),
    Column("received_at", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    *_seal("quarantine"),
    Column("reason", Text, nullable=False),
    schema="operations",
    sqlite_with_rowid=False,
)

#: Household settings (retention's parameters) and, under the account "", the cloud's own (its clock, its policy).
setting = Table(
    "setting",
    metadata,
    Column("account", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("received_at", Text, nullable=False),
    schema="operations",
    sqlite_with_rowid=False,
)

#: Who the cloud works for. `heard_at`: when it last received something; a child's account may end by silence.
account = Table(
    "account",
    metadata,
    Column("account", Text, primary_key=True),
    Column("child", Integer, nullable=False, default=0),
    Column("received_at", Text, nullable=False),
    Column("heard_at", Text, nullable=False),
    Column("closed_at", Text),
    schema="operations",
    sqlite_with_rowid=False,
)

#: Which account a registered device belongs to.
device = Table(
    "device",
    metadata,
    Column("device", Text, primary_key=True),
    Column("account", Text, nullable=False, index=True),
    Column("received_at", Text, nullable=False),
    schema="operations",
    sqlite_with_rowid=False,
)

#: The hash-chained list of every retention decision: pseudonymous ids and rule names, never content.
ledger = Table(
    "entry",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("store", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("interactions", Text, nullable=False),
    Column("records", Integer, nullable=False),
    Column("cause", Text, nullable=False, index=True),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    schema="ledger",
)

#: What the third parties hold. Their files are their own; these names are what policies call them.
THIRD_PARTIES = {"ride": "ride", "pizza": "pizza", "quiz": "in_skill_purchase"}


def _is_record(table: Table) -> bool:
    return all(name in table.c for name in RECORD_COLUMNS)


#: (store, kind) -> table, for the records that interactions leave.
RECORDS: dict[tuple[str, str], Table] = {
    (str(table.schema), table.name): table for table in metadata.sorted_tables if _is_record(table)
}

#: (store, kind) -> table, for what the operator keeps about its own work; policies cover these too.
WORKINGS: dict[tuple[str, str], Table] = {
    (str(table.schema), table.name): table for table in metadata.sorted_tables if not _is_record(table)
}


def kinds() -> Iterator[tuple[str, str]]:
    """Every (store, kind) that a policy has to cover, third parties included."""
    yield from RECORDS
    yield from WORKINGS
    for partner, kind in THIRD_PARTIES.items():
        yield f"third_parties/{partner}", kind


def fields(table: Table) -> list[str]:
    """The names of a record's own columns, in order."""
    return [column.name for column in table.columns if column.name not in RECORD_COLUMNS]


#: Where words are, and sound: the columns that a sealing policy has encrypted. All others stay readable in every copy.
CONTENT: dict[Table, tuple[str, ...]] = {
    **{table: tuple(name for name in fields(table) if name not in NEVER_SEALED) for table in RECORDS.values()},
    directive: ("payload",),
    quarantine: ("topic", "payload", "reason"),
}
