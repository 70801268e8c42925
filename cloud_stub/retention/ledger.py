"""The ledger: an append-only, hash-chained list of what was decided about records. Ids are pseudonyms, words never."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from cloud_stub.contract.messages import rfc3339
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.tables import ledger

START = "0" * 64


@dataclass(frozen=True)
class Decision:
    """What a rule does to some records of one kind."""

    trigger: str
    action: str
    store: str
    kind: str
    rule: str
    subjects: tuple[tuple[str, str], ...]
    """(account, interaction) of the records; in the chain they are pseudonyms under each account's own key."""
    records: int
    cause: str = ""
    """The deletion (scope id) that it follows from, so that a repeated deletion is not written twice."""


def append(connection: Connection, keys: Keys, at: datetime, decisions: Iterable[Decision]) -> None:
    """Write the decisions to the end of the chain, in the caller's transaction."""
    seq, previous = head(connection)
    rows = []
    for decision in decisions:
        seq += 1
        accounts = {name for name, _ in decision.subjects}
        keys.prepare(accounts)
        row = {
            "seq": seq,
            "at": rfc3339(at),
            "trigger": decision.trigger,
            "action": decision.action,
            "store": decision.store,
            "kind": decision.kind,
            "rule": decision.rule,
            # A sweep takes records of many accounts at once: then no single account is named.
            "account": keys.pseudonym(accounts.pop(), "") if len(accounts) == 1 else "",
            "interactions": keys.pseudonyms(decision.subjects),
            "records": decision.records,
            "cause": decision.cause,
            "previous": previous,
        }
        previous = row["hash"] = _hash(row)
        rows.append(row)
    if rows:
        connection.execute(insert(ledger), rows)


def head(connection: Connection) -> tuple[int, str]:
    """The chain's length and the hash of its last entry."""
    last = connection.execute(select(ledger.c.seq, ledger.c.hash).order_by(ledger.c.seq.desc()).limit(1)).first()
    return (last.seq, last.hash) if last else (0, START)


def holds(connection: Connection, cause: str) -> bool:
    """Whether a deletion's decisions are in the chain already."""
    return connection.execute(select(ledger.c.seq).where(ledger.c.cause == cause).limit(1)).first() is not None


def verify(connection: Connection) -> Iterator[str]:
    """One line for each break of the chain: an entry that was changed, taken out or put in."""
    previous, seq = START, 0
    for entry in connection.execute(select(ledger).order_by(ledger.c.seq)).mappings():
        row = dict(entry)
        seq += 1
        if row["seq"] != seq or row["previous"] != previous:
            yield f"entry {row['seq']} does not follow the one before it"
        if _hash(row) != row["hash"]:
            yield f"entry {row['seq']} was changed after it was written"
        previous, seq = row["hash"], row["seq"]


def _hash(row: dict[str, object]) -> str:
    # `default` so that a value that was made unreadable is a change like any other.
    shown = {name: row[name] for name in sorted(row) if name != "hash"}
    text = json.dumps(shown, separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode()).hexdigest()
