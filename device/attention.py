"""The attention states and the transitions between them: what the light ring shows is what the device does."""

from collections.abc import Callable

from cloud_stub.contract.messages import Attention

#: From each state, the states that may follow. Whatever happens, one can be muted or lose the microphone. A muted
#: device never listens; a deaf one only to sound that comes by MQTT control.
TRANSITIONS: dict[Attention, frozenset[Attention]] = {
    "idle": frozenset({"listening", "thinking", "speaking", "alerting", "muted", "deaf"}),
    "listening": frozenset({"thinking", "idle", "alerting", "muted", "deaf"}),
    "thinking": frozenset({"speaking", "idle", "listening", "alerting", "muted", "deaf"}),
    "speaking": frozenset({"idle", "listening", "thinking", "alerting", "muted", "deaf"}),
    "alerting": frozenset({"idle", "listening", "thinking", "speaking", "muted", "deaf"}),
    "muted": frozenset({"idle", "thinking", "speaking", "alerting", "deaf"}),
    "deaf": frozenset({"idle", "listening", "thinking", "speaking", "alerting", "muted"}),
}


class IllegalTransition(RuntimeError):
    """The device was about to show a state that cannot follow the one before it: a defect."""


class AttentionState:
    """The one state that the device is in. Whoever shows it is told of every change."""

    def __init__(self, *shows: Callable[[Attention], None]) -> None:
        """Begins idle."""
        self.now: Attention = "idle"
        self._shows = shows

    def to(self, state: Attention) -> None:
        """Go to `state`; staying where one is is no transition. Raises IllegalTransition."""
        if state == self.now:
            return
        if state not in TRANSITIONS[self.now]:
            raise IllegalTransition(f"{self.now} → {state}")
        self.now = state
        for show in self._shows:
            show(state)
