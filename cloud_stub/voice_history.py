"""The household's voice history: what the primary store would show it, as Alexa's own page did."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select

from cloud_stub.stores.sealing import OVERHEAD_BYTES, Seal
from cloud_stub.stores.tables import RECORDS

_TRANSCRIPT, _RESPONSE, _RECORDING = (RECORDS["primary", kind] for kind in ("transcript", "response", "recording"))


def history(connection: Connection, seal: Seal, account: str) -> list[dict[str, Any]]:
    """The account's interactions in the order in which they were said: id, time, device, words, answer, recording.

    `recording` is the FLAC's size in bytes. What a rule has erased of an interaction is None; the interaction is shown
    as long as any of its words or its sound is there.
    """
    known = merged(connection, seal, lambda table: table.c.account == account)
    return sorted(known.values(), key=lambda shown: (shown["at"], shown["id"]))


def merged(
    connection: Connection, seal: Seal, where: Callable[[Table], ColumnElement[bool]]
) -> dict[str, dict[str, Any]]:
    """The same by id, of whichever records `where` names in each table."""
    known: dict[str, dict[str, Any]] = {}
    for table, name in ((_TRANSCRIPT, "transcript"), (_RESPONSE, "response")):
        for row in seal.opened(table, connection.execute(select(table).where(where(table))).mappings()):
            if row["seal"] is None:
                _shown(known, row)[name] = row["text"]
    # The recordings' sizes, without reading hours of sound.
    size = func.length(_RECORDING.c.flac).label("size")
    columns = (_RECORDING.c.interaction, _RECORDING.c.at, _RECORDING.c.device, _RECORDING.c.seal, size)
    sounds = connection.execute(select(*columns).where(where(_RECORDING), size > 0)).mappings().all()
    ring = seal.keys.ring(sound["seal"] for sound in sounds)
    for sound in sounds:
        if sound["seal"] is None or sound["seal"] in ring:
            _shown(known, sound)["recording"] = sound["size"] - (0 if sound["seal"] is None else OVERHEAD_BYTES)
    return known


def _shown(known: dict[str, dict[str, Any]], row: Mapping[Any, Any]) -> dict[str, Any]:
    """The interaction's entry, which its first record makes."""
    new = {"id": row["interaction"], "at": row["at"], "device": row["device"]}
    return known.setdefault(row["interaction"], new | dict.fromkeys(("transcript", "response", "recording")))
