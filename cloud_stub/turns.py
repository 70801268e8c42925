"""Whose message is next: each sender's oldest in turn, so that one who floods the broker keeps nobody else waiting."""

from collections import OrderedDict, deque

from cloud_stub.batch import Incoming


class Turns:
    """Messages that have arrived and wait. True while there are any."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Incoming]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, message: Incoming) -> None:
        """Let it wait behind the others of its sender: of a device, or of a third party."""
        sender = "/".join(message.topic.split("/", 3)[:3])
        self._waiting.setdefault(sender, deque()).append(message)

    def take(self, most: int) -> list[Incoming]:
        """The next messages, at most so many."""
        taken: list[Incoming] = []
        while self._waiting and len(taken) < most:
            sender, messages = self._waiting.popitem(last=False)
            taken.append(messages.popleft())
            if messages:
                self._waiting[sender] = messages
        return taken
