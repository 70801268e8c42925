"""Receipts: what an erasure erased, kept, asked and put off, under which rule, signed, with the ledger's head.

A receipt is made from the ledger's own entries, so it can be made again at any time; it holds pseudonyms, never words.
Whoever has one can later show that the ledger was cut off or rewritten behind it. Whoever holds the signing key could
write another history and sign that: no receipt can tell.
"""

import base64
import json
from typing import Annotated, Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Meta
from sqlalchemy import Connection, func, or_, select

from cloud_stub.errors import CloudError
from cloud_stub.retention import ledger as chain
from cloud_stub.retention.policy import Policy
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.tables import ledger

VERSION = 1
_FIELDS = ("seq", "at", "trigger", "action", "store", "kind", "rule", "records")


class Head(msgspec.Struct, frozen=True):
    """The ledger as a receipt has seen it: its entries, and the hash of the last."""

    length: Annotated[int, Meta(ge=0, le=2**53)]
    head: str


class Shape(msgspec.Struct, frozen=True):
    """What is looked up of a receipt that somebody brings; all else in it is only shown, and signed."""

    deletion: str
    decisions: list[dict[str, Any]]
    ledger: Head


def make(connection: Connection, keys: Keys, policy: Policy, deletion: str) -> dict[str, Any]:
    """The receipt of a deletion, by its id. Raises CloudError where the ledger knows of no such deletion."""
    mine = or_(ledger.c.cause == deletion, ledger.c.cause.startswith(f"{deletion}:"))
    entries = connection.execute(select(ledger).where(mine).order_by(ledger.c.seq)).mappings().all()
    if not entries:
        raise CloudError(f"the ledger holds no deletion {deletion!r} that found anything. See: cloud-stub receipt list")
    clauses = {policy.cite(rule, trigger): rule.because for rule in policy.rules for trigger in rule.triggers}
    length, head = chain.head(connection)
    body = {
        "version": VERSION,
        "deletion": deletion,
        "policy": policy.name,
        "account": entries[0]["account"],
        "interactions": sorted({name for entry in entries for name in entry["interactions"].split()}),
        "decisions": [
            {name: entry[name] for name in _FIELDS} | {"clause": clauses.get(entry["rule"], "")} for entry in entries
        ],
        "ledger": {"length": length, "head": head},
    }
    key = Ed25519PrivateKey.from_private_bytes(keys.signing_key())
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return body | {"key": _text(public), "signature": _text(key.sign(_bytes(body)))}


def listed(connection: Connection) -> list[dict[str, Any]]:
    """The deletions that the ledger knows of, oldest first: id, time, trigger, records that it decided about."""
    grouped = (
        select(
            ledger.c.cause.label("deletion"),
            func.min(ledger.c.at).label("at"),
            func.min(ledger.c.trigger).label("trigger"),
            func.sum(ledger.c.records).label("records"),
        )
        .where(ledger.c.cause != "", ~ledger.c.cause.contains(":"))
        .group_by(ledger.c.cause)
        .order_by(func.min(ledger.c.seq))
    )
    return [dict(row) for row in connection.execute(grouped).mappings()]


def verify(receipt: dict[str, Any], key: str | None = None) -> None:
    """Check a receipt's signature; needs no cloud. Raises CloudError saying what is wrong.

    `key` is the public key that it must be signed with, in base64; without it, the receipt's own is taken.
    """
    body = {name: value for name, value in receipt.items() if name not in {"key", "signature"}}
    if key is not None and receipt.get("key") != key:
        raise CloudError("the receipt is signed with another key than the one given. It is not this cloud's.")
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(receipt["key"], validate=True))
        public.verify(base64.b64decode(receipt["signature"], validate=True), _bytes(body))
    except (KeyError, TypeError, ValueError, InvalidSignature) as error:
        raise CloudError("the receipt was changed after it was signed, or is none. Ask for it again.") from error


def held_against(connection: Connection, receipt: dict[str, Any]) -> str | None:
    """What the ledger shows to be wrong since the receipt was made; None where it still bears it out."""
    length, head = receipt["ledger"]["length"], receipt["ledger"]["head"]
    there = connection.execute(select(ledger.c.hash).where(ledger.c.seq == length)).scalar()
    if there is None:
        return f"the ledger is shorter than the {length} entries that the receipt {receipt['deletion']} has seen"
    if there != head:
        return f"entry {length} is another than the receipt {receipt['deletion']} has seen"
    return None


def _bytes(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
