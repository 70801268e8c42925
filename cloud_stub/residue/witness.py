"""The witness: keyed fingerprints of what was said, so that a search can later prove that it is gone.

They are made when an interaction is stored, and written in the same transaction. Neither words nor sound can be read
from them; but commands come from a small vocabulary, so whoever holds both the witness and its key could guess one and
see whether the guess was right. The key lies in a file of its own, which no backup takes.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Table, and_, select

from cloud_stub import durable
from cloud_stub.batch import Batch, Origin
from cloud_stub.errors import CloudError
from cloud_stub.house import House
from cloud_stub.residue import sounds, windows
from cloud_stub.residue.needles import NEEDLE, Key
from cloud_stub.residue.siphash import KEY_BYTES
from cloud_stub.residue.windows import Windows
from cloud_stub.retention import ledger
from cloud_stub.stores.sealing import Seal
from cloud_stub.stores.tables import RECORDS, directive, quarantine

#: Of an interaction's two rows, the one about its words and the one about its sound.
WORDS, SOUND = 0, 1

#: Fields that say how something was done; what they hold is no content.
_MANNER = {"source", "wake_word", "model", "intent", "subsystem", "provider", "partner", "status", "reference"}

_TABLE = RECORDS["witness", "fingerprint"]

Kept = NDArray[np.void]
"""Needles as they are kept, shape (n,), of dtype NEEDLE."""


@dataclass(frozen=True)
class Witnessed:
    """What the witness knows of one interaction."""

    account: str
    interaction: str
    needles: Kept
    short: tuple[str, ...]
    """Fields that were too short to prove anything about."""


class Witness:
    """Makes fingerprints under the folder's own key."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the stores' own; the key is `folder`/witness.key, 16 bytes, made at first use."""
        self.key = Key(_key(folder / "witness.key"))

    def note(self, batch: Batch) -> None:
        """Add the fingerprints of everything that the batch stores, to the batch."""
        # Many households say the same and are told the same: each content once.
        contents: dict[tuple[tuple[str, str], ...], list[Origin]] = {}
        for origin, fields in batch.words.items():
            contents.setdefault(tuple(_texts(fields).items()), []).append(origin)
        of_text = cache(windows.of_text)
        found = []
        for content, origins in contents.items():
            texts = {name: of_text(text) for name, text in content}
            short = " ".join(name for name, some in texts.items() if not len(some))
            found.append((origins, WORDS, _joined(texts.values()), short))
        found += [([origin], SOUND, sounds.windows_of(flac), "") for origin, flac in batch.sounds.items()]
        batch.words.clear()
        batch.sounds.clear()
        # All at once: for a few windows each the arithmetic would be lost in the calls.
        needles = self.key.needles_of_each([one for _, _, one, _ in found])
        for (origins, part, _, short), kept in zip(found, needles, strict=True):
            row = {"needles": kept.tobytes(), "short": short}
            for origin in origins:
                batch.add(_TABLE, origin.columns(part) | row)
        batch.flush()


def of(connection: Connection, seal: Seal, account: str, interaction: str | None = None) -> list[Witnessed]:
    """What there is of the account, or of one of its interactions."""
    mine = _TABLE.c.account == account
    if interaction is not None:
        mine = and_(mine, _TABLE.c.interaction == interaction)
    known: dict[str, tuple[list[Kept], list[str]]] = {}
    found = connection.execute(select(_TABLE).where(mine).order_by(_TABLE.c.interaction, _TABLE.c.position)).mappings()
    for row in seal.opened(_TABLE, found):
        needles, short = known.setdefault(row["interaction"], ([], []))
        needles.append(np.frombuffer(row["needles"] or b"", NEEDLE))
        short += (row["short"] or "").split()
    return [Witnessed(account, name, np.concatenate(some), tuple(short)) for name, (some, short) in known.items()]


def devices(connection: Connection, account: str | None) -> set[str]:
    """The devices that something is known of: the account's, or all."""
    wanted = select(_TABLE.c.device).distinct()
    if account is not None:
        wanted = wanted.where(_TABLE.c.account == account)
    return set(connection.execute(wanted).scalars()) - {""}  # a pseudonymised record does not say


def account_of(connection: Connection, interaction: str) -> str:
    """Whose interaction it is. Raises CloudError where the witness knows nothing of it."""
    owner = connection.execute(select(_TABLE.c.account).where(_TABLE.c.interaction == interaction)).scalar()
    if owner is None:
        raise CloudError(
            f"the witness has no fingerprint of {interaction}: it was never stored, or is proved to be gone. Search "
            "for its words with --phrase TEXT."
        )
    return str(owner)


def settle(house: House, gone: Iterable[Witnessed]) -> int:
    """Let the witness forget deleted interactions of which a search of every place has found nothing.

    Those of which a record is left are kept, even where it holds no words. Returns how many were forgotten.
    """
    with house.stores.write() as connection:
        proved = [one for one in gone if _deleted(connection, one) and not _recorded(connection, one)]
        for one in proved:
            house.keys.seal.erase(connection, _TABLE, _of(_TABLE, one))
        decisions = [
            ledger.Decision(
                trigger="proved",
                action="erase",
                store="witness",
                kind="fingerprint",
                rule="a search of every place found nothing of the interaction",
                subjects=((one.account, one.interaction),),
                records=1,
            )
            for one in proved
        ]
        ledger.append(connection, house.keys, house.clock.now(), decisions)
    if proved:
        house.stores.checkpoint()
    return len(proved)


def _deleted(connection: Connection, one: Witnessed) -> bool:
    marked = select(_TABLE.c.account).where(_of(_TABLE, one), _TABLE.c.deleted_at.is_not(None))
    return connection.execute(marked).first() is not None


def _recorded(connection: Connection, one: Witnessed) -> bool:
    """Whether any record of it is left."""
    others = (table for table in (*RECORDS.values(), directive, quarantine) if table is not _TABLE)
    return any(connection.execute(select(table.c.account).where(_of(table, one))).first() for table in others)


def _of(table: Table, one: Witnessed) -> ColumnElement[bool]:
    return and_(table.c.account == one.account, table.c.interaction == one.interaction)


def _texts(fields: dict[str, str]) -> dict[str, str]:
    """The fields that hold content; a copy of another field's says nothing new."""
    own: dict[str, str] = {}
    for name, text in fields.items():
        if name.split(".")[1] not in _MANNER and text and text not in own.values():
            own[name] = text
    return own


def _joined(found: Iterable[Windows]) -> Windows:
    return np.concatenate([np.empty((0, windows.WINDOW), np.uint8), *found])


def _key(file: Path) -> bytes:
    """The secret in that file, made where there is none; two processes that make one at once agree on one."""
    durable.create(file, secrets.token_bytes(KEY_BYTES))
    return file.read_bytes()
