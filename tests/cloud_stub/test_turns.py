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
    taken = turns.take(SHARE + 3)
    assert taken[:2] == [message("hall", 0), message("kitchen", 0)]
    assert taken[-2:] == [message("bedroom", 0), message("kitchen", SHARE)]


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
