"""Messages keep their order, and a flood from one sender leaves the others their turn."""

from hypothesis import given
from hypothesis import strategies as st

from cloud_stub.batch import Incoming
from cloud_stub.turns import SHARE, Turns


def message(sender: str, number: int) -> Incoming:
    return Incoming(f"echo/v1/{sender}/event/interaction", b"%d" % number)


def test_a_flood_from_one_device_leaves_anothers_message_its_turn() -> None:
    turns = Turns()
    turns.put(message("hall", 0))
    for number in range(10_000):
        turns.put(message("kitchen", number))
    turns.put(message("bedroom", 0))
    taken = turns.take(500)
    assert taken[:2] == [message("hall", 0), message("kitchen", 0)]
    assert taken[-2:] == [message("kitchen", SHARE - 1), message("bedroom", 0)]
    assert turns.take(500) == [message("kitchen", number) for number in range(SHARE, 2 * SHARE)]


def test_what_no_flood_disturbs_is_taken_in_the_order_of_arrival() -> None:
    turns = Turns()
    arrived = [
        message(sender, number) for number, sender in enumerate(["kitchen", "hall", "hall", "kitchen", "hall"] * 9)
    ]
    for one in arrived:
        turns.put(one)
    assert turns.take(len(arrived)) == arrived


@given(st.lists(st.sampled_from(["kitchen", "bedroom", "hall"]), max_size=60), st.integers(1, 20))
def test_every_message_is_taken_once_in_its_senders_order(senders: list[str], most: int) -> None:
    turns, taken = Turns(), []
    for number, sender in enumerate(senders):
        turns.put(message(sender, number))
    while turns:
        batch = turns.take(most)
        assert 0 < len(batch) <= most
        taken += batch
    for sender in set(senders):
        mine = [one for one in taken if one.topic == message(sender, 0).topic]
        assert mine == [message(sender, number) for number, name in enumerate(senders) if name == sender]
    assert len(taken) == len(senders)


def test_what_waits_and_is_said_again_waits_once_and_is_settled_with_it() -> None:
    turns = Turns()
    for mid in range(1, 4):
        turns.put(Incoming("echo/v1/kitchen/event/interaction", b"same", mid, 1))
    turns.put(Incoming("echo/v1/hall/event/interaction", b"same", 4, 1))
    kitchen, hall = turns.take(10)
    assert ((kitchen.mid, kitchen.copies), (hall.mid, hall.copies)) == ((1, [(2, 1), (3, 1)]), (4, []))
    # What is taken is being settled: said once more, it waits for an answer of its own.
    turns.put(Incoming("echo/v1/kitchen/event/interaction", b"same", 5, 1))
    assert [(one.mid, one.copies) for one in turns.take(10)] == [(5, [])]
    assert not turns
