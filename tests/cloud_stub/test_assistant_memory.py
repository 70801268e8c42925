"""What the assistant remembers and what it lists."""

import pytest

from cloud_stub.assistant import Forget
from tests.cloud_stub.asking import Row, ask

TOLD = ("i parked on level three", "my locker code is one two", "the keys are in the drawer", "bob is allergic to milk")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("what am i allergic to", "You told me that you are allergic to walnuts."),
        ("what is bob allergic to", "You told me that bob is allergic to milk."),
        ("what is my locker code", "You told me that your locker code is one two."),
        ("what's my code please", "You told me that your locker code is one two."),
        ("where are my keys", None),
        ("where are the keys", "You told me that the keys are in the drawer."),
        ("where did i park", "You told me that you parked on level three."),
        ("what is my pin", None),
        ("when is my anniversary", None),
    ],
)
def test_what_was_told_is_recalled(question: str, answer: str | None) -> None:
    outcome = ask(question, *TOLD, "i am allergic to walnuts")
    assert outcome.intent == "RecallFact"
    assert outcome.response == answer if answer else "I don't know" in outcome.response


def test_the_newest_of_two_matching_facts_is_recalled() -> None:
    told = ("i parked on level five", "i parked on level three")
    assert ask("where did i park", *told).response == "You told me that you parked on level five."


def test_a_fact_about_somebody_else_does_not_answer_for_the_household() -> None:
    assert "I don't know" in ask("what am i allergic to", "bob is allergic to milk").response


def test_all_that_was_told_can_be_asked_for() -> None:
    outcome = ask("what did i ask you to remember", "i'm tall", "my code is one")
    assert outcome.response == "You told me that you're tall and your code is one."
    assert "I don't know" in ask("what did i ask you to remember").response


def test_what_was_told_can_be_forgotten() -> None:
    told = ("my code is one", "my anniversary is on june first")
    assert ask("forget that", *told).forget == Forget()
    assert ask("forget what i told you about my anniversary", *told).forget == Forget("my anniversary")
    assert ask("forget that my code is one", *told).forget == Forget("my code is one")
    assert ask("forget everything", *told).forget == Forget(every=True)
    assert ask("forget about my wallet", *told).forget is None


def test_what_is_to_come_is_listed_soonest_first() -> None:
    alarms: list[Row] = [
        {"time": "07:00", "recurrence": "daily", "due": "2026-06-01T05:00:00.000000Z"},
        {"time": "16:00", "recurrence": "", "due": "2026-06-03T14:00:00.000000Z"},
        {"time": "08:00", "recurrence": "", "due": "2026-06-02T06:00:00.000000Z"},
    ]
    response = ask("what alarms do i have", alarm=alarms).response
    assert response == "You have 2 alarms: today at 4:00 PM; tomorrow at 7:00 AM, every day."
    reminders: list[Row] = [{"about": "my anniversary", "due": None, "recurrence": ""}]
    assert ask("what are my reminders", reminder=reminders).response == "You have 1 reminder: your anniversary."
    timers: list[Row] = [{"seconds": 600, "due": "2026-06-03T13:10:00.000000Z"}]
    assert ask("how much time is left on my timer", timer=timers).response == "There is 5 minutes left."
    items: list[Row] = [{"list": "shopping", "item": "eggs"}, {"list": "to do", "item": "vote"}]
    assert ask("what's on my shopping list", list_item=items).response == "On your shopping list: eggs."


def test_a_record_whose_words_were_redacted_can_still_be_listed() -> None:
    assert ask("what are my reminders", reminder=[{"about": None, "due": None}]).response == "You have 1 reminder."
    assert ask("what is on my calendar").response == "You have no meetings."
