"""What third parties say, written down: a task done, a request to delete honoured, refused, unanswered, or made."""

from typing import Any

from sqlalchemy import Row, and_, select, update

from cloud_stub.batch import Batch, Incoming
from cloud_stub.contract.messages import decode, new_id
from cloud_stub.contract.partners import PartnerNotice, PartnerReply, partner_topic
from cloud_stub.retention import ledger
from cloud_stub.retention.clock import SystemClock
from cloud_stub.retention.policy import Policy
from cloud_stub.retention.scopes import Scope
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.tables import RECORDS, THIRD_PARTIES, directive


class Replies:
    """Settles the messages that were on their way to third parties."""

    def __init__(self, keys: Keys, policy: Policy, clock: SystemClock) -> None:
        """`keys` make the ledger's pseudonyms."""
        self._keys, self._policy, self._clock = keys, policy, clock

    def hear(self, batch: Batch, message: Incoming, received_at: str) -> None:
        """Take a third party's reply or notice. Raises ValueError where it is neither, or not that party's to send."""
        if message.topic.endswith("/notice"):
            self._notice(batch, decode(PartnerNotice, message.payload), message.topic, received_at)
            return
        reply = decode(PartnerReply, message.payload)
        if reply.partner not in THIRD_PARTIES or message.topic != partner_topic(reply.partner, "reply"):
            raise ValueError(f"{reply.partner} is not who replies here.")
        self._take(batch, reply)

    def _notice(self, batch: Batch, notice: PartnerNotice, topic: str, received_at: str) -> None:
        """A third party's request to delete: it counts for interactions that the two have shared, and no others."""
        if topic != partner_topic(notice.partner, "notice") or not self._shared(batch, notice):
            raise ValueError(f"{notice.partner} has no part in that interaction.")
        scope = Scope(
            new_id(), notice.account, received_at, interaction=notice.interaction, trigger="third_party_request"
        )
        batch.delete(scope)

    def _take(self, batch: Batch, reply: PartnerReply) -> None:
        """Note a reply and erase the request. A reply to nothing that was asked of that party changes nothing."""
        batch.flush(directive)
        mine = and_(directive.c.id == reply.request, directive.c.recipient == f"partner/{reply.partner}")
        asked = batch.connection.execute(select(directive).where(mine)).first()
        if asked is None:
            return
        batch.seal.erase(batch.connection, directive, mine)
        if asked.purpose == "delete":
            self._note(batch, asked, reply.outcome)
            return
        table = RECORDS["commerce", THIRD_PARTIES[reply.partner]]
        batch.flush(table)
        order = and_(table.c.account == asked.account, table.c.interaction == asked.interaction)
        for row in batch.connection.execute(select(table.c.position, table.c.seal).where(order)).mappings().all():
            reference = batch.seal.field(table, row, "reference", reply.reference)
            one = update(table).where(order, table.c.position == row["position"])
            batch.connection.execute(one.values(status=reply.outcome, reference=reference))

    def _shared(self, batch: Batch, notice: PartnerNotice) -> bool:
        """Whether the third party was asked to do something in that interaction."""
        kind = THIRD_PARTIES.get(notice.partner)
        if kind is None:
            return False
        table = RECORDS["commerce", kind]
        batch.flush(table)
        mine = and_(table.c.account == notice.account, table.c.interaction == notice.interaction)
        return batch.connection.execute(select(table.c.partner).where(mine)).scalar() == notice.partner

    def give_up(self, batch: Batch, ids: list[str]) -> None:
        """Note that these requests to delete were never answered, and erase them."""
        for row in batch.connection.execute(select(directive).where(directive.c.id.in_(ids))).all():
            self._note(batch, row, "silent")
        batch.seal.erase(batch.connection, directive, directive.c.id.in_(ids))

    def _note(self, batch: Batch, asked: Row[Any], answer: str) -> None:
        partner = asked.recipient.removeprefix("partner/")
        store, kind = f"third_parties/{partner}", THIRD_PARTIES[partner]
        rule = self._policy.rule(store, kind, asked.trigger)
        decision = ledger.Decision(
            trigger=asked.trigger,
            action=f"asked: {answer}",
            store=store,
            kind=kind,
            rule=self._policy.cite(rule, asked.trigger),
            subjects=((asked.account, asked.interaction),),
            records=1,
        )
        ledger.append(batch.connection, self._keys, self._clock.now(), [decision])
