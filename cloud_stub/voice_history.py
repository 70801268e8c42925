"""The household's voice history: what the primary store would show it, as Alexa's own page did."""

from typing import Any

from sqlalchemy import Connection, func, select

from cloud_stub.stores.sealing import OVERHEAD_BYTES, Seal
from cloud_stub.stores.tables import RECORDS

_TRANSCRIPT, _RESPONSE, _RECORDING = (RECORDS["primary", kind] for kind in ("transcript", "response", "recording"))


def history(connection: Connection, seal: Seal, account: str) -> list[dict[str, Any]]:
    """The account's interactions in the order in which they were said: id, time, device, words, answer, recording.

    `recording` is the FLAC's size in bytes, or None where there is no recording.
    """
    said = select(_TRANSCRIPT).where(_TRANSCRIPT.c.account == account)
    said = said.order_by(_TRANSCRIPT.c.at, _TRANSCRIPT.c.interaction)
    answered = connection.execute(select(_RESPONSE).where(_RESPONSE.c.account == account)).mappings()
    answers = {row["interaction"]: row["text"] for row in seal.opened(_RESPONSE, answered)}
    sizes = _sizes(connection, seal, account)
    return [
        {
            "id": row["interaction"],
            "at": row["at"],
            "device": row["device"],
            "transcript": row["text"],
            "response": answers.get(row["interaction"]),
            "recording": sizes.get(row["interaction"]),
        }
        for row in seal.opened(_TRANSCRIPT, connection.execute(said).mappings())
        if row["seal"] is None
    ]


def _sizes(connection: Connection, seal: Seal, account: str) -> dict[str, int]:
    """The recordings' sizes, without reading hours of sound."""
    size = func.length(_RECORDING.c.flac)
    mine = select(_RECORDING.c.interaction, _RECORDING.c.seal, size).where(_RECORDING.c.account == account, size > 0)
    rows = connection.execute(mine).all()
    ring = seal.keys.ring(sealed for _, sealed, _ in rows)
    plain = {interaction: length for interaction, sealed, length in rows if sealed is None}
    return plain | {interaction: length - OVERHEAD_BYTES for interaction, sealed, length in rows if sealed in ring}
