"""Whose message is next: in the order of arrival, but that one sender's flood keeps nobody else waiting."""

import heapq
from collections import Counter, deque
from itertools import count

from cloud_stub.batch import Incoming
from cloud_stub.contract.partners import PARTNER_ROOT

#: As many messages of one sender are taken at once, and sent to one recipient before the others have had as many.
SHARE = 100


class Turns:
    """Messages that have arrived and wait. True while there are any."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[int, Incoming]]] = {}
        self._same: dict[tuple[str, bytes], Incoming] = {}
        self._numbers = count()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, message: Incoming) -> None:
        """Let it wait behind the others of its sender: of a device, or of a third party.

        One that waits already waits once: who gets no answer says it again, and a cloud that is behind would fall back
        further with every repetition.
        """
        waiting = self._same.setdefault((message.topic, message.payload), message)
        if waiting is not message:
            waiting.copies.append((message.mid, message.qos))
            return
        self._waiting.setdefault(_sender(message.topic), deque()).append((next(self._numbers), message))

    def any_of(self, sender: str) -> bool:
        """Whether anything waits of that sender, named as a recipient of directives is: device/NAME, partner/NAME."""
        return sender in self._waiting

    def take(self, most: int) -> list[Incoming]:
        """The next messages, at most so many, and of each sender no more than its share: others need not wait long."""
        taken: list[Incoming] = []
        had: Counter[str] = Counter()
        first = [(messages[0][0], sender) for sender, messages in self._waiting.items()]
        heapq.heapify(first)
        while len(taken) < most and first:
            _, sender = heapq.heappop(first)
            messages = self._waiting[sender]
            taken.append(messages.popleft()[1])
            del self._same[taken[-1].topic, taken[-1].payload]
            had[sender] += 1
            if not messages:
                del self._waiting[sender]
            elif had[sender] < SHARE:
                heapq.heappush(first, (messages[0][0], sender))
        return taken


def _sender(topic: str) -> str:
    root, _, name = topic.split("/", 3)[:3]
    return f"{'partner' if root == PARTNER_ROOT.partition('/')[0] else 'device'}/{name}"
