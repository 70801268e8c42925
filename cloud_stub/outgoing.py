"""Messages on their way out: written with the records, sent after commit, repeated until confirmed, then erased."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from operator import itemgetter

from sqlalchemy import Connection, func, select, update

from cloud_stub.retention.device_copies import WORDLESS
from cloud_stub.stores.repository import Stores, one_of
from cloud_stub.stores.sealing import Seal
from cloud_stub.stores.tables import directive
from cloud_stub.turns import SHARE

#: A message that nobody confirmed is sent again after this many seconds, then after twice as many, and so on.
FIRST_REPEAT_S = 1.0
LONGEST_REPEAT_S = 60.0

#: A third party that leaves a deletion request unanswered so often is taken to be silent. About two seconds: the
#: emulator's third parties answer at once or never.
DELETION_ATTEMPTS = 2

#: Messages sent in one turn, between two batches of what has arrived.
AT_ONCE = 1000

Publish = Callable[[str, bytes], None]


class Outgoing:
    """Sends what the directive table holds. The table is the truth; what is due when is known in memory only."""

    def __init__(
        self, stores: Stores, seal: Seal, publish: Publish, unheard: Callable[[str], bool] = lambda _: False
    ) -> None:
        """`publish(topic, payload)` hands one message to MQTT.

        `unheard` tells whether something of a recipient's has arrived and waits. It may be the confirmation: nothing is
        repeated to that recipient then, or else a cloud that is behind would make itself ever more work.
        """
        self._stores, self._seal, self._publish, self._unheard = stores, seal, publish, unheard
        self._due: dict[str, tuple[float, float]] = {}

    def send_due(self) -> list[str]:
        """Send what is new or unconfirmed for too long. Returns ids of deletion requests that nobody answers."""
        now = time.monotonic()
        with self._stores.read() as connection:
            known = select(directive.c.id, directive.c.purpose, directive.c.recipient, directive.c.attempts)
            waiting = connection.execute(known.order_by(directive.c.id)).all()
            due = [
                row
                for row in waiting
                if self._when(row.id) <= now and not (row.id in self._due and self._unheard(row.recipient))
            ]
            # What was never sent goes first: repetitions may be many, and their devices may have had them already.
            due.sort(key=lambda row: self._when(row.id))
            rounds = sorted(zip(_rounds(row.recipient for row in due), due, strict=True), key=itemgetter(0))
            due = [row for _, row in rounds[:AT_ONCE]]
            silent = [row.id for row in due if row.purpose == "delete" and row.attempts >= DELETION_ATTEMPTS]
            ids = [row.id for row in due if row.id not in silent]
            messages = _messages(connection, self._seal, ids)
        self._due = {row.id: self._due[row.id] for row in waiting if row.id in self._due}
        for row_id, topic, payload in messages:
            pause = self._due.get(row_id, (0.0, FIRST_REPEAT_S / 2))[1] * 2
            self._due[row_id] = (now + pause, min(pause, LONGEST_REPEAT_S))
            self._publish(topic, payload)
        asked = [row.id for row in due if row.purpose == "delete" and row.id in ids]
        if asked:
            with self._stores.write() as connection:
                one_more = directive.c.attempts + 1
                connection.execute(update(directive).where(directive.c.id.in_(asked)).values(attempts=one_more))
        return silent

    def _when(self, name: str) -> float:
        return self._due.get(name, (0.0, 0.0))[0]

    def waiting(self) -> int:
        """How many messages nobody has confirmed yet."""
        with self._stores.read() as connection:
            return count(connection)


def count(connection: Connection) -> int:
    """How many messages are on their way, but for what `untold` counts."""
    words = directive.c.purpose.not_in(WORDLESS)
    return connection.execute(select(func.count()).select_from(directive).where(words)).scalar_one()


def untold(connection: Connection) -> int:
    """How many messages to devices, about what to forget or about the time, are not confirmed: some may be away."""
    waiting = directive.c.purpose.in_(WORDLESS)
    return connection.execute(select(func.count()).select_from(directive).where(waiting)).scalar_one()


def confirm(connection: Connection, seal: Seal, confirmed: Collection[tuple[str, str]]) -> None:
    """Erase what was confirmed, (recipient, id); nobody can confirm another's."""
    pairs = list(confirmed)
    for first in range(0, len(pairs), AT_ONCE):
        some = pairs[first : first + AT_ONCE]
        seal.erase(connection, directive, one_of(connection, (directive.c.recipient, directive.c.id), some))


def _rounds(recipients: Iterable[str]) -> Iterator[int]:
    """In which round each has its turn: a recipient has its share in a round, so that none keeps the others waiting."""
    had: Counter[str] = Counter()
    for recipient in recipients:
        yield had[recipient] // SHARE
        had[recipient] += 1


def _messages(connection: Connection, seal: Seal, ids: list[str]) -> list[tuple[str, str, bytes]]:
    """(id, topic, payload) of these, in this order."""
    if not ids:
        return []
    rows = connection.execute(select(directive).where(directive.c.id.in_(ids))).mappings()
    found = {row["id"]: row for row in seal.opened(directive, rows) if row["payload"]}
    return [(name, found[name]["topic"], found[name]["payload"]) for name in ids if name in found]
