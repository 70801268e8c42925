"""One third party: it does what it is asked, keeps a record of it, and has a stance towards deletion requests."""

import json
import logging
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cloud_stub import durable
from cloud_stub.contract.messages import decode, encode, rfc3339
from cloud_stub.contract.partners import PartnerReply, PartnerRequest, partner_topic
from cloud_stub.stores import sqlite

if TYPE_CHECKING:
    import paho.mqtt.client as mqtt

log = logging.getLogger(__name__)

Stance = Literal["honours", "refuses", "silent"]

#: The three that come with the emulator. Real developers differ just so, and nobody outside can tell which is which.
STANCES: dict[str, Stance] = {"ride": "honours", "pizza": "refuses", "quiz": "silent"}


class Skill:
    """What one third party does and holds; its file is `data`/third_parties/{name}/{name}.db."""

    def __init__(self, name: str, stance: Stance, data: Path) -> None:
        """Opens, and creates, the file."""
        self.name, self._stance = name, stance
        folder = data / "third_parties" / name
        durable.make_folder(folder)
        self._files = sqlite.Files({"main": folder / f"{name}.db"})
        with self._files.writing() as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS held"
                " (request TEXT PRIMARY KEY, account TEXT, interaction TEXT, at TEXT, details TEXT)"
            )
        # A crash may have come between a deletion and this.
        with suppress(sqlite.ErasureNotPhysical):
            self._files.checkpoint()

    def answer(self, request: PartnerRequest) -> PartnerReply | None:
        """Do what is asked, or refuse, or say nothing (None)."""
        return self._perform(request) if request.verb == "perform" else self._delete(request)

    def close(self) -> None:
        """Close the file."""
        self._files.close()

    def _perform(self, request: PartnerRequest) -> PartnerReply:
        row = (request.id, request.account, request.interaction, rfc3339(request.at), json.dumps(request.details))
        with self._files.writing() as database:
            database.execute("INSERT INTO held VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row)
        return PartnerReply(
            request=request.id, partner=self.name, outcome="done", reference=f"{self.name}-{request.id[-6:]}"
        )

    def _delete(self, request: PartnerRequest) -> PartnerReply | None:
        if self._stance == "silent":
            return None
        if self._stance == "refuses":
            reason = "we obviously need to keep a record of the transaction"
            return PartnerReply(request=request.id, partner=self.name, outcome="refused", reason=reason)
        mine = (request.account, request.interaction)
        with self._files.writing() as database:
            database.execute("DELETE FROM held WHERE account = ? AND interaction = ?", mine)
        self._files.checkpoint()
        return PartnerReply(request=request.id, partner=self.name, outcome="honoured")


class Partner:
    """A skill on the wire: listens on partner/v1/{name}/request, and answers on .../reply."""

    def __init__(self, skill: Skill, client: "mqtt.Client") -> None:
        """`client` is the partner's own connection, not yet connected; its callbacks are set here."""
        self._skill, self._client = skill, client
        client.on_connect = self._on_connect
        client.on_message = self._on_message

    def close(self) -> None:
        """Leave the broker and close the file."""
        self._client.disconnect()
        self._client.loop_stop()
        self._skill.close()

    def _on_connect(self, client: "mqtt.Client", *_: object) -> None:
        client.subscribe(partner_topic(self._skill.name, "request"), qos=1)

    def _on_message(self, client: "mqtt.Client", _userdata: Any, message: "mqtt.MQTTMessage") -> None:
        try:
            request = decode(PartnerRequest, message.payload)
        except ValueError as error:
            log.warning("%s ignored a request: %s", self._skill.name, error)
            return
        reply = self._skill.answer(request)
        if reply is not None:
            client.publish(partner_topic(self._skill.name, "reply"), encode(reply), qos=1)


def held(data: Path, name: str, account: str) -> list[dict[str, Any]]:
    """What that third party holds of an account, as its folder shows it to whoever can read it.

    The operator's rooms never call this; reports for the observer do.
    """
    file = data / "third_parties" / name / f"{name}.db"
    if not file.is_file():
        return []
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT interaction, at, details FROM held WHERE account = ?", (account,)).fetchall()
    finally:
        connection.close()
    return [{"interaction": interaction, "at": at, "fields": json.loads(details)} for interaction, at, details in rows]
