"""What the cloud sends: the new first, the rest again until it is confirmed, and no more often than helps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from cloud_stub import outgoing
from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import Confirm, encode, event_topic, new_id
from cloud_stub.contract.partners import PartnerReply, partner_topic
from cloud_stub.outgoing import Outgoing
from cloud_stub.turns import Turns
from tests.cloud_stub.house import Neighbourhood, neighbourhood


class Clock:
    """Stands in for the monotonic clock."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Neighbourhood]:
    with neighbourhood(tmp_path) as made:
        yield made


class Sender:
    """What Outgoing publishes, by a clock that only the test sets."""

    def __init__(self, cloud: Neighbourhood, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.turns = Clock(), Turns()
        monkeypatch.setattr(outgoing, "time", self.clock)
        self.topics: list[str] = []
        stores, seal = cloud.house.stores, cloud.house.keys.seal
        self._outgoing = Outgoing(stores, seal, lambda topic, _: self.topics.append(topic), self.turns.any_of)

    def sent(self) -> list[str]:
        """The topics of what is sent now, without the root that all have."""
        self.topics.clear()
        self._outgoing.send_due()
        return [topic.removeprefix("echo/v1/") for topic in self.topics]


ANSWER = ["kitchen/directive/speak", "kitchen/directive/stored"]


def test_an_answer_is_repeated_after_a_second_then_after_two_until_it_is_confirmed(
    cloud: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender(cloud, monkeypatch)
    cloud.say("what time is it", sound=False)
    assert sorted(sender.sent()) == ANSWER
    found = []
    for _ in range(8):
        sender.clock.now += 0.5
        found.append(len(sender.sent()))
    assert found == [0, 2, 0, 0, 0, 2, 0, 0]
    cloud.ingest.handle(
        [Incoming(event_topic("kitchen", "confirm"), encode(Confirm([one.id for one in cloud.directives()])))]
    )
    sender.clock.now += 100
    assert sender.sent() == []


def test_nothing_is_repeated_to_a_device_of_which_something_waits_for_its_turn(
    cloud: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender(cloud, monkeypatch)
    cloud.say("what time is it", sound=False)
    cloud.say("what time is it", sound=False, device="hall")
    assert len(sender.sent()) == 4
    sender.turns.put(Incoming(event_topic("hall", "confirm"), b"{}"))
    # What has not been sent yet is no repetition.
    cloud.say("good morning", sound=False, device="hall")
    sender.clock.now += 5
    assert sorted(sender.sent()) == sorted([*ANSWER, "hall/directive/speak", "hall/directive/stored"])
    sender.turns.take(1)
    assert sorted(sender.sent()) == ["hall/directive/speak", "hall/directive/stored"]


def test_nothing_is_repeated_to_a_third_party_whose_reply_waits_for_its_turn(
    cloud: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender(cloud, monkeypatch)
    cloud.say("order a large pepperoni pizza from dominos", sound=False)
    request = partner_topic("pizza", "request")
    assert request in sender.sent()
    reply = encode(PartnerReply(request=new_id(), partner="pizza", outcome="done"))
    sender.turns.put(Incoming(partner_topic("pizza", "reply"), reply))
    sender.clock.now += 5
    assert request not in sender.sent()
    sender.turns.take(1)
    assert request in sender.sent()


def test_what_was_never_sent_goes_before_what_is_repeated(
    cloud: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "AT_ONCE", 2)
    sender = Sender(cloud, monkeypatch)
    cloud.say("what time is it", sound=False)
    assert sorted(sender.sent()) == ANSWER
    sender.clock.now += 5
    cloud.say("what time is it", sound=False, device="hall")
    assert sorted(sender.sent()) == ["hall/directive/speak", "hall/directive/stored"]
    assert sorted(sender.sent()) == ANSWER


def test_what_a_batch_has_to_know_of_the_past_is_found_by_an_index(cloud: Neighbourhood) -> None:
    plans: list[str] = []
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, _context: object, _many: bool) -> None:
        asked.append((statement, parameters))

    said = cloud.say("what time is it", sound=False)
    with cloud.house.stores.read() as connection:
        engine = connection.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        confirm = Incoming(event_topic("kitchen", "confirm"), encode(Confirm([one.id for one in cloud.directives()])))
        cloud.ingest.handle([cloud.said[said], confirm])
    finally:
        event.remove(engine, "before_cursor_execute", note)
    wanted = [(text, given) for text, given in asked if "json_each" in text]
    with cloud.house.stores.read() as connection:
        for text, given in wanted:
            plans += [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given)]
    assert sum("(account=? AND interaction=?)" in plan for plan in plans) == 1
    assert sum("(recipient=? AND id=?)" in plan for plan in plans) == 1
    assert not [plan for plan in plans if plan.startswith("SCAN") and "VIRTUAL TABLE" not in plan]


def test_who_is_sent_much_keeps_nobody_else_waiting(cloud: Neighbourhood, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "SHARE", 3)
    sender = Sender(cloud, monkeypatch)
    flood = [cloud.say("what time is it", send=False, sound=False) for _ in range(5)]
    cloud.again(*flood)
    cloud.say("what time is it", sound=False, device="hall")
    sent = sender.sent()
    assert [topic.split("/")[0] for topic in sent] == ["kitchen"] * 3 + ["hall"] * 2 + ["kitchen"] * 7
