"""The emulator's own third parties without a broker: what the cloud sends them is handed over, their answers back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import PARTNER_ROOT
from cloud_stub.house import House
from cloud_stub.ingest import Ingest
from cloud_stub.outgoing import DELETION_ATTEMPTS, Outgoing
from cloud_stub.third_parties.partner import STANCES, Partner


@dataclass
class _Message:
    payload: bytes


@dataclass
class _Wire:
    """What a Partner needs of a connection."""

    answered: list[Incoming] = field(default_factory=list)
    on_connect: Callable[..., None] | None = None
    on_message: Callable[..., None] | None = None

    def publish(self, topic: str, payload: bytes, qos: int) -> None:
        self.answered.append(Incoming(topic, payload, qos=qos))

    def disconnect(self) -> None: ...

    def loop_stop(self) -> None: ...


class Postman:
    """Carries messages between the cloud and the three third parties, each with the stance that it ships with."""

    def __init__(self, data: Path) -> None:
        self._wires = {name: _Wire() for name in STANCES}
        wires: dict[str, Any] = dict(self._wires)
        self._partners = [Partner(name, stance, wires[name], data) for name, stance in STANCES.items()]

    def round(self, house: House, ingest: Ingest) -> int:
        """Send all that is on its way, as a cloud that has just been started, and bring the answers back.

        Returns how many messages third parties were sent. What a silent one never answers is given up at last.
        """
        sent: list[tuple[str, bytes]] = []
        silent = Outgoing(house.stores, lambda topic, payload: sent.append((topic, payload))).send_due()
        if silent:
            ingest.give_up(silent)
        theirs = [(topic.split("/")[2], payload) for topic, payload in sent if topic.startswith(PARTNER_ROOT)]
        for name, payload in theirs:
            wire = self._wires[name]
            assert wire.on_message is not None
            wire.on_message(wire, None, _Message(payload))
            answers, wire.answered = wire.answered, []
            ingest.handle(answers)
        return len(theirs)

    def settle(self, house: House, ingest: Ingest) -> None:
        """Until nothing is on its way to a third party any more."""
        for _ in range(DELETION_ATTEMPTS + 2):
            if not self.round(house, ingest):
                return
        raise AssertionError("a third party is still being written to")

    def close(self) -> None:
        for partner in self._partners:
            partner.close()
