"""One request and its answer, as the device saw them."""

from dataclasses import dataclass

from cloud_stub.contract.messages import Interaction


@dataclass
class Exchange:
    """One interaction as the device saw it: what was heard, and what the cloud made of it."""

    interaction: Interaction
    intent: str = ""
    response: str = ""
    answer: str = ""
    """stored, forgotten or refused, once the cloud has said so; dropped where the outbox could not keep it."""

    def settled(self) -> bool:
        """Whether everything that can be expected has come."""
        spoken = bool(self.response) or not self.interaction.transcript or self.answer in {"refused", "dropped"}
        return bool(self.answer) and spoken
