"""The household's voice history: what the primary store would show it, as Alexa's own page did."""

from typing import Any

from sqlalchemy import Connection, and_, func, select

from cloud_stub.stores.tables import RECORDS


def history(connection: Connection, account: str) -> list[dict[str, Any]]:
    """The account's interactions in the order in which they were said: id, time, device, words, answer, recording.

    `recording` is the FLAC's size in bytes, or None where there is no recording.
    """
    transcript, response, recording = (RECORDS["primary", kind] for kind in ("transcript", "response", "recording"))

    def same(other: Any) -> Any:
        return and_(other.c.account == transcript.c.account, other.c.interaction == transcript.c.interaction)

    wanted = (
        select(
            transcript.c.interaction.label("id"),
            transcript.c.at,
            transcript.c.device,
            transcript.c.text.label("transcript"),
            response.c.text.label("response"),
            func.length(recording.c.flac).label("recording"),
        )
        .outerjoin(response, same(response))
        .outerjoin(recording, same(recording))
        .where(transcript.c.account == account)
        .order_by(transcript.c.at, transcript.c.interaction)
    )
    return [dict(row) for row in connection.execute(wanted).mappings()]
