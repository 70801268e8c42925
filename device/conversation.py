"""What was heard since the start, what the cloud made of it, and what of that is still to be spoken."""

import logging
from collections import deque
from collections.abc import Iterable

from cloud_stub.contract.messages import Directive, Forgotten, Interaction, Refused, Speak, Stored
from device.exchange import Exchange

log = logging.getLogger(__name__)

REMEMBERED = 1000
"""Exchanges; older ones are dropped here, and live on in the outbox until the cloud has them."""


class Conversation:
    """The exchanges, oldest first; `unspoken` are the answers, and other texts, whose turn has not come."""

    def __init__(self) -> None:
        self.exchanges: deque[Exchange] = deque(maxlen=REMEMBERED)
        self.unspoken: deque[Exchange | str] = deque()

    def begin(self, interaction: Interaction) -> None:
        """Something was heard, and is on its way to the cloud."""
        self.exchanges.append(Exchange(interaction))

    def take(self, directive: Directive) -> None:
        """Note the cloud's answer with what it answers; what it says waits to be spoken. Others are no answers."""
        if not isinstance(directive, Stored | Forgotten | Refused | Speak):
            return
        exchange = next((e for e in reversed(self.exchanges) if e.interaction.id == directive.interaction), None)
        if exchange is None:
            return
        if isinstance(directive, Speak):
            exchange.intent, exchange.response = directive.intent, directive.text
            self.unspoken.append(exchange)
        elif directive.part == "interaction":
            exchange.answer = directive.name
            if isinstance(directive, Refused):
                log.warning("the cloud refused an interaction: %s", directive.reason)

    def drop(self, interactions: Iterable[str]) -> None:
        """The outbox could not keep these: no answer will come."""
        dropped = set(interactions)
        for exchange in self.exchanges:
            if exchange.interaction.id in dropped:
                exchange.answer = "dropped"

    def settled(self) -> bool:
        """Whether everything that can be expected has come."""
        return all(exchange.settled() for exchange in self.exchanges)
