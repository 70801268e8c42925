"""What is asked, what is to be done, what is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cloud_stub.assistant import (
    Assistant,
    Change,
    Deletion,
    Draft,
    Forget,
    Outcome,
    PartnerOrder,
    Request,
)

BERLIN = ZoneInfo("Europe/Berlin")
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
#: A wednesday, five past three in the afternoon in Berlin, five past six in the morning in Los Angeles.
AT = datetime(2026, 6, 3, 13, 5, tzinfo=UTC)

ASSISTANT = Assistant()

Row = Mapping[str, str | int | None]


@dataclass
class Remembered:
    """A Memory of what the test says, newest first."""

    told: list[str] = field(default_factory=list)
    done: dict[str, list[Row]] = field(default_factory=dict)

    def facts(self, account: str) -> list[str]:
        assert account == "household"
        return self.told

    def actions(self, account: str, kind: str) -> list[Row]:
        assert account == "household"
        return self.done.get(kind, [])


def ask(text: str, *told: str, at: datetime = AT, zone: ZoneInfo = BERLIN, **done: list[Row]) -> Outcome:
    return ASSISTANT.answer(Request("household", "id", "kitchen", at, zone, text), Remembered([*told], done))


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
    ("text", "zone", "since", "until"),
    [
        ("delete everything i said today", BERLIN, "2026-06-02T22:00", "2026-06-03T13:05"),
        ("delete everything i said today", LOS_ANGELES, "2026-06-03T07:00", "2026-06-03T13:05"),
        ("delete everything i said yesterday", BERLIN, "2026-06-01T22:00", "2026-06-02T22:00"),
        ("delete all my voice recordings from this week", BERLIN, "2026-05-31T22:00", "2026-06-03T13:05"),
        ("delete everything i said last week", BERLIN, "2026-05-24T22:00", "2026-05-31T22:00"),
        ("delete everything i said this month", BERLIN, "2026-05-31T22:00", "2026-06-03T13:05"),
        ("delete everything i said this morning", BERLIN, "2026-06-02T22:00", "2026-06-03T10:00"),
        ("delete everything i said this afternoon", BERLIN, "2026-06-03T10:00", "2026-06-03T13:05"),
        ("delete everything i said in the last hour", BERLIN, "2026-06-03T12:05", "2026-06-03T13:05"),
    ],
)
def test_a_range_is_deleted_by_the_households_clock(text: str, zone: ZoneInfo, since: str, until: str) -> None:
    deletion = ask(text, zone=zone).deletion
    ends = (datetime.fromisoformat(f"{end}+00:00") for end in (since, until))
    assert deletion == Deletion("range", *ends)


@pytest.mark.parametrize(
    ("at", "zone", "since"),
    [
        # The nights on which the clocks change: midnight still had the old time.
        (datetime(2026, 3, 29, 10, 0, tzinfo=UTC), BERLIN, datetime(2026, 3, 28, 23, 0, tzinfo=UTC)),
        (datetime(2026, 10, 25, 10, 0, tzinfo=UTC), BERLIN, datetime(2026, 10, 24, 22, 0, tzinfo=UTC)),
        (datetime(2026, 11, 1, 20, 0, tzinfo=UTC), LOS_ANGELES, datetime(2026, 11, 1, 7, 0, tzinfo=UTC)),
    ],
)
def test_today_begins_at_local_midnight_when_the_clocks_change(at: datetime, zone: ZoneInfo, since: datetime) -> None:
    assert ask("delete everything i said today", at=at, zone=zone).deletion == Deletion("range", since, at)


def test_the_last_or_everything_can_be_deleted() -> None:
    assert ask("delete what i just said").deletion == Deletion("last")
    assert ask("erase the last thing i said please").deletion == Deletion("last")
    assert ask("delete everything").deletion == Deletion("all")
    assert ask("delete all my voice recordings").deletion == Deletion("all")


@pytest.mark.parametrize(
    ("text", "setting", "value"),
    [
        ("delete my recordings after three months", "auto_delete", "P3M"),
        ("delete all my voice recordings after eighteen months", "auto_delete", "P18M"),
        ("keep my recordings for a week", "auto_delete", "P7D"),
        ("never delete my recordings", "auto_delete", "never"),
        ("do not save my recordings", "save_recordings", "no"),
        ("stop saving my recordings", "save_recordings", "no"),
        ("don't record me", "save_recordings", "no"),
        ("save my recordings", "save_recordings", "yes"),
        ("do not use my voice for training", "use_for_improvement", "no"),
        ("don't use my recordings for training", "use_for_improvement", "no"),
        ("use my voice for training", "use_for_improvement", "yes"),
    ],
)
def test_a_setting_can_be_changed_by_voice(text: str, setting: str, value: str) -> None:
    assert ask(text).change == Change(setting, value)


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


def test_what_is_known_is_told_in_numbers_and_not_in_words() -> None:
    outcome = ask("what do you know about me", "my code is one", alarm=[{"time": "07:00"}, {"time": "08:00"}])
    assert "1 thing you told me to remember and 2 alarms" in outcome.response
    assert "code" not in outcome.response
    assert "nothing that you asked me to keep" in ask("what do you know about me").response


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
