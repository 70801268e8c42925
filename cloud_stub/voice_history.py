"""The household's voice history: what the primary store would show it, as Alexa's own page did."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from cloud_stub.stores.sealing import OVERHEAD_BYTES, Seal
from cloud_stub.stores.tables import RECORDS

_TRANSCRIPT, _RESPONSE, _RECORDING = (RECORDS["primary", kind] for kind in ("transcript", "response", "recording"))


def history(connection: Connection, seal: Seal, account: str) -> list[dict[str, Any]]:
    """The account's interactions in the order in which they were said: id, time, device, words, answer, recording.

    `recording` is the FLAC's size in bytes. What a rule has erased of an interaction is None; the interaction is shown
    as long as any of its words or its sound is there.
    """
    sizes = _sizes(connection, seal, account)
    known: dict[str, dict[str, Any]] = {}
    for table, name in ((_TRANSCRIPT, "transcript"), (_RESPONSE, "response")):
        mine = connection.execute(select(table).where(table.c.account == account)).mappings()
        for row in seal.opened(table, mine):
            if row["seal"] is None:
                _shown(known, row)[name] = row["text"]
    columns = (_RECORDING.c.interaction, _RECORDING.c.at, _RECORDING.c.device)
    for sound in connection.execute(select(*columns).where(_RECORDING.c.account == account)).mappings():
        if sound["interaction"] in sizes:
            _shown(known, sound)["recording"] = sizes[sound["interaction"]]
    return sorted(known.values(), key=lambda shown: (shown["at"], shown["id"]))


def _shown(known: dict[str, dict[str, Any]], row: Mapping[Any, Any]) -> dict[str, Any]:
    """The interaction's entry, which its first record makes."""
    new = {"id": row["interaction"], "at": row["at"], "device": row["device"]}
    return known.setdefault(row["interaction"], new | dict.fromkeys(("transcript", "response", "recording")))


def _sizes(connection: Connection, seal: Seal, account: str) -> dict[str, int]:
    """The recordings' sizes, without reading hours of sound."""
    size = func.length(_RECORDING.c.flac)
    mine = select(_RECORDING.c.interaction, _RECORDING.c.seal, size).where(_RECORDING.c.account == account, size > 0)
    rows = connection.execute(mine).all()
    ring = seal.keys.ring(sealed for _, sealed, _ in rows)
    plain = {interaction: length for interaction, sealed, length in rows if sealed is None}
    return plain | {interaction: length - OVERHEAD_BYTES for interaction, sealed, length in rows if sealed in ring}
