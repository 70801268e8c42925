"""What is asked, what is to be done, what is answered."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cloud_stub.assistant import Assistant, Draft, Outcome, PartnerOrder
from tests.cloud_stub.asking import BERLIN, LOS_ANGELES, Row, ask


@pytest.mark.parametrize(
    ("text", "store", "kind", "fields"),
    [
        (
            "set a recurring alarm for seven a m",
            "actions",
            "alarm",
            {"time": "07:00", "recurrence": "daily", "due": "2026-06-04T05:00:00.000000Z"},
        ),
        (
            "remind me of my anniversary on june fourteenth",
            "actions",
            "reminder",
            {"about": "my anniversary", "due": "2026-06-14T07:00:00.000000Z", "recurrence": ""},
        ),
        (
            "place a meeting with alice on my calendar for friday at ten",
            "actions",
            "meeting",
            {"title": "meeting", "attendee": "alice", "starts": "2026-06-05T08:00:00.000000Z"},
        ),
        (
            "send a message to bob saying i am running late",
            "actions",
            "message",
            {"recipient": "bob", "sent_at": "2026-06-03T13:05:00.000000Z", "text": "i am running late"},
        ),
        ("remember that i am allergic to walnuts", "actions", "fact", {"text": "i am allergic to walnuts"}),
        ("set a timer for ten minutes", "actions", "timer", {"seconds": 600, "due": "2026-06-03T13:15:00.000000Z"}),
        ("subscribe to amazon music unlimited", "commerce", "subscription", {"service": "amazon music unlimited"}),
        (
            "order milk and eggs from amazon fresh",
            "commerce",
            "order",
            {"shop": "amazon fresh", "items": "milk, eggs"},
        ),
        (
            "request a ride from uber to the airport",
            "commerce",
            "ride",
            {"provider": "uber", "destination": "the airport"},
        ),
        (
            "order a large pepperoni pizza from dominos",
            "commerce",
            "pizza",
            {"shop": "dominos", "size": "large", "topping": "pepperoni", "quantity": 1},
        ),
        (
            "buy the extra questions in the quiz",
            "commerce",
            "in_skill_purchase",
            {"skill": "quiz", "product": "extra questions"},
        ),
        # Further ways to say it.
        ("wake me up in ten minutes", "actions", "alarm", {"time": "15:15", "due": "2026-06-03T13:15:00.000000Z"}),
        ("set a weekly alarm for monday at seven", "actions", "alarm", {"recurrence": "weekly monday"}),
        ("set an alarm for weekdays at seven", "actions", "alarm", {"recurrence": "weekdays", "time": "07:00"}),
        ("wake me up every night at nine", "actions", "alarm", {"recurrence": "daily", "time": "21:00"}),
        ("remind me to call mom", "actions", "reminder", {"about": "call mom", "due": None, "recurrence": ""}),
        (
            "please remind me to call mom tomorrow at half past six",
            "actions",
            "reminder",
            {"about": "call mom", "due": "2026-06-04T04:30:00.000000Z"},
        ),
        (
            "remind me every evening to take my pills",
            "actions",
            "reminder",
            {"about": "take my pills", "recurrence": "daily", "due": "2026-06-03T16:00:00.000000Z"},
        ),
        ("remember to call mom", "actions", "reminder", {"about": "call mom"}),
        ("put lunch with my mom on my calendar", "actions", "meeting", {"attendee": "my mom", "starts": None}),
        ("tell samantha i want to play", "actions", "message", {"recipient": "samantha", "text": "i want to play"}),
        (
            "send zaphod a message saying yes please",
            "actions",
            "message",
            {"recipient": "zaphod", "text": "yes please"},
        ),
        ("don't forget my code is one two", "actions", "fact", {"text": "my code is one two"}),
        ("set a pasta timer for an hour and a half", "actions", "timer", {"seconds": 5400}),
        ("add call mom to my to do list please", "actions", "list_item", {"list": "to do", "item": "call mom"}),
        ("order paper towels please", "commerce", "order", {"shop": "amazon fresh", "items": "paper towels"}),
        ("order milk olive oil and bread", "commerce", "order", {"items": "milk, olive oil, bread"}),
        ("get me a lyft to the station", "commerce", "ride", {"provider": "lyft", "destination": "the station"}),
        ("call me a cab", "commerce", "ride", {"provider": "taxi", "destination": ""}),
        ("order three small pizzas with ham and pineapple", "commerce", "pizza", {"quantity": 3, "size": "small"}),
    ],
)
def test_a_request_leaves_this_record(text: str, store: str, kind: str, fields: Row) -> None:
    (draft,) = ask(text).records
    assert (draft.store, draft.kind) == (store, kind)
    assert {name: draft.fields[name] for name in fields} == fields


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("set a recurring alarm for seven a m", "SetAlarm"),
        ("remind me of my anniversary on june fourteenth", "SetReminder"),
        ("place a meeting with alice on my calendar for friday at ten", "ScheduleMeeting"),
        ("send a message to bob saying i am running late", "SendMessage"),
        ("subscribe to amazon music unlimited", "Subscribe"),
        ("order milk and eggs from amazon fresh", "OrderGroceries"),
        ("request a ride from uber to the airport", "RequestRide"),
        ("order a large pepperoni pizza from dominos", "OrderPizza"),
        ("buy the extra questions in the quiz", "BuyInSkill"),
        ("remember that i am allergic to walnuts", "RememberFact"),
        ("what time is it", "AskTime"),
        ("what's the weather", "AskWeather"),
        ("what day is it", "AskDate"),
        ("delete everything i said today", "DeleteRange"),
        ("what am i allergic to", "RecallFact"),
        ("delete what i just said", "DeleteLast"),
        ("delete everything", "DeleteAll"),
        ("what do you know about me", "AskAboutMe"),
        ("what do you know about my anniversary", "RecallFact"),
        ("delete my recordings after three months", "ChangeSetting"),
        ("do not save my recordings", "ChangeSetting"),
        ("what did i just say", "AskHistory"),
        ("why do you keep my recordings", "AskPrivacy"),
        ("forget that", "ForgetFact"),
        ("what is on my calendar for friday", "ListMeetings"),
        ("what are my reminders", "ListReminders"),
        ("what alarms do i have", "ListAlarms"),
        ("what is on my shopping list", "ListItems"),
        ("where is my pizza", "CannotDo"),
        ("Hello!", "SmallTalk"),
    ],
)
def test_this_is_what_is_asked(text: str, intent: str) -> None:
    assert ask(text).intent == intent


def test_only_what_asks_for_something_leaves_a_record() -> None:
    for text in (
        "what time is it",
        "what's the weather",
        "what am i allergic to",
        "what do you know about me",
        "hello",
    ):
        outcome = ask(text)
        assert outcome == Outcome(outcome.intent, outcome.response)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        (
            "request a ride from uber to the airport",
            PartnerOrder("ride", {"provider": "uber", "destination": "the airport"}),
        ),
        (
            "book a ride to work for seven p m",
            PartnerOrder("ride", {"provider": "uber", "destination": "work", "pickup": "2026-06-03T17:00:00.000000Z"}),
        ),
        (
            "order a large pepperoni pizza from dominos",
            PartnerOrder("pizza", {"shop": "dominos", "size": "large", "topping": "pepperoni", "quantity": 1}),
        ),
        ("buy the extra questions in the quiz", PartnerOrder("quiz", {"skill": "quiz", "product": "extra questions"})),
        ("order milk and eggs from amazon fresh", None),
    ],
)
def test_a_third_party_is_told_this(text: str, order: PartnerOrder | None) -> None:
    assert ask(text).partner == order


def test_each_item_on_a_list_is_a_record_of_its_own() -> None:
    assert ask("add milk and eggs to my shopping list").records == (
        Draft("actions", "list_item", {"list": "shopping", "item": "milk"}),
        Draft("actions", "list_item", {"list": "shopping", "item": "eggs"}),
    )


@pytest.mark.parametrize(
    ("text", "zone", "answer"),
    [
        ("what time is it", BERLIN, "It's 3:05 PM."),
        ("what time is it", LOS_ANGELES, "It's 6:05 AM."),
        ("what time is it in tokyo", BERLIN, "It's 10:05 PM there."),
        ("what day is it", BERLIN, "It's Wednesday, June 3."),
    ],
)
def test_the_time_is_that_of_the_household(text: str, zone: ZoneInfo, answer: str) -> None:
    assert ask(text, zone=zone).response == answer


def test_a_time_that_never_comes_does_nothing() -> None:
    for text in ("set an alarm for june thirty first", "book a ride to work for june thirty first"):
        outcome = ask(text)
        assert outcome.records == ()
        assert outcome.partner is None
        assert outcome.response == "That time never comes, so I did nothing."


def test_what_is_not_understood_says_so() -> None:
    for text in ("purple seven monday", "?!", "a " * 500):
        assert ask(text) == Outcome("Unknown", "Sorry, I don't know that one.")


def test_no_words_need_no_answer() -> None:
    assert ask("") == ask(" \n ") == Outcome("Empty", "")


def test_a_template_folder_must_hold_templates_that_can_be_answered(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no sentence templates"):
        Assistant(tmp_path)
    sentence = 'language: "en"\nintents: {Fly: {data: [{sentences: ["fly away"]}]}}\n'
    (tmp_path / "fly.yaml").write_text(sentence, encoding="utf-8")
    with pytest.raises(ValueError, match="No answer for intent Fly"):
        Assistant(tmp_path)
