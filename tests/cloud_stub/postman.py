"""The emulator's own third parties without a broker: what the cloud sends them is handed over, their answers back."""

from pathlib import Path

from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import decode, encode
from cloud_stub.contract.partners import PARTNER_ROOT, PartnerRequest, partner_topic
from cloud_stub.house import House
from cloud_stub.ingest import Ingest
from cloud_stub.outgoing import DELETION_ATTEMPTS, Outgoing
from cloud_stub.third_parties.partner import STANCES, Skill


class Postman:
    """Carries messages between the cloud and the three third parties, each with the stance that it ships with."""

    def __init__(self, data: Path) -> None:
        self._skills = {name: Skill(name, stance, data) for name, stance in STANCES.items()}

    def round(self, house: House, ingest: Ingest) -> int:
        """Send all that is on its way, as a cloud that has just been started, and bring the answers back.

        Returns how many messages third parties were sent. What a silent one never answers is given up at last.
        """
        sent: list[tuple[str, bytes]] = []
        outgoing = Outgoing(house.stores, house.keys.seal, lambda topic, payload: sent.append((topic, payload)))
        silent = outgoing.send_due()
        if silent:
            ingest.give_up(silent)
        theirs = [(topic.split("/")[2], payload) for topic, payload in sent if topic.startswith(PARTNER_ROOT)]
        for name, payload in theirs:
            reply = self._skills[name].answer(decode(PartnerRequest, payload))
            if reply is not None:
                ingest.handle([Incoming(partner_topic(name, "reply"), encode(reply))])
        return len(theirs)

    def settle(self, house: House, ingest: Ingest) -> None:
        """Until nothing is on its way to a third party any more."""
        for _ in range(DELETION_ATTEMPTS + 2):
            if not self.round(house, ingest):
                return
        raise AssertionError("a third party is still being written to")

    def close(self) -> None:
        for skill in self._skills.values():
            skill.close()
