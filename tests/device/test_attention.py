"""What the light ring shows is what the device does: only states that can follow, each shown once."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stub.contract.messages import Attention
from device.attention import TRANSITIONS, AttentionState, IllegalTransition

STATES: tuple[Attention, ...] = get_args(Attention)


def reachable(start: Attention) -> set[Attention]:
    """Every state that can be got to from `start`, over however many others."""
    found: set[Attention] = set()
    edge = {start}
    while edge:
        edge = {after for state in edge for after in TRANSITIONS[state]} - found
        found |= edge
    return found


def at(state: Attention) -> AttentionState:
    """A device in that state, over legal transitions only."""
    attention = AttentionState()
    if state != "idle":
        attention.to(state)
    return attention


def test_the_states_are_these() -> None:
    assert STATES == ("idle", "listening", "thinking", "speaking", "alerting", "muted", "deaf")
    assert set(TRANSITIONS) == set(STATES)
    assert set().union(*TRANSITIONS.values()) == set(STATES)


def test_a_device_begins_idle_and_shows_nothing_yet() -> None:
    shown: list[Attention] = []
    assert AttentionState(shown.append).now == "idle"
    assert shown == []


@given(st.lists(st.sampled_from(STATES), max_size=60))
def test_any_sequence_follows_the_transitions_or_is_refused_and_changes_nothing(wanted: list[Attention]) -> None:
    shown: list[Attention] = []
    attention = AttentionState(shown.append)
    expected: list[Attention] = []
    before: Attention = "idle"
    for state in wanted:
        if state != before and state not in TRANSITIONS[before]:
            with pytest.raises(IllegalTransition, match=f"^{before} → {state}$"):
                attention.to(state)
        else:
            attention.to(state)
            if state != before:
                expected.append(state)
            before = state
        assert attention.now == before
        assert shown == expected


@given(st.lists(st.sampled_from(STATES), max_size=60), st.integers(0, 4))
def test_every_change_is_shown_exactly_once_to_each_who_shows_it(wanted: list[Attention], audience: int) -> None:
    shown: list[list[Attention]] = [[] for _ in range(audience)]
    attention = AttentionState(*(one.append for one in shown))
    changes: list[Attention] = []
    for state in wanted:
        if state in TRANSITIONS[attention.now]:
            changes.append(state)
        if state in TRANSITIONS[attention.now] | {attention.now}:
            attention.to(state)
    assert shown == [changes] * audience


def test_whoever_shows_a_change_finds_the_device_in_it_already() -> None:
    seen: list[tuple[Attention, Attention]] = []
    attention = AttentionState(lambda state: seen.append((state, attention.now)))
    attention.to("listening")
    attention.to("thinking")
    assert seen == [("listening", "listening"), ("thinking", "thinking")]


@pytest.mark.parametrize("state", STATES)
def test_staying_where_one_is_is_no_change(state: Attention) -> None:
    attention = at(state)
    shown: list[Attention] = []
    attention._shows = (shown.append,)
    attention.to(state)
    assert (attention.now, shown) == (state, [])
    assert state not in TRANSITIONS[state]


@pytest.mark.parametrize("state", STATES)
def test_from_every_state_one_comes_to_rest(state: Attention) -> None:
    assert "idle" in reachable(state)


@pytest.mark.parametrize("state", [state for state in STATES if state != "idle"])
def test_every_state_ends_in_idle_at_once(state: Attention) -> None:
    attention = at(state)
    attention.to("idle")
    assert attention.now == "idle"


@pytest.mark.parametrize("state", [state for state in STATES if state != "muted"])
def test_whatever_happens_one_can_mute(state: Attention) -> None:
    attention = at(state)
    attention.to("muted")
    assert attention.now == "muted"


@pytest.mark.parametrize("state", [state for state in STATES if state not in {"muted", "deaf"}])
def test_whatever_happens_the_sound_can_fail(state: Attention) -> None:
    attention = at(state)
    attention.to("deaf")
    assert attention.now == "deaf"


def test_a_muted_device_never_listens() -> None:
    attention = at("muted")
    with pytest.raises(IllegalTransition, match="muted → listening"):
        attention.to("listening")
    assert attention.now == "muted"


def test_an_answer_is_spoken_only_after_it_was_thought_of() -> None:
    attention = at("listening")
    with pytest.raises(IllegalTransition, match="listening → speaking"):
        attention.to("speaking")
