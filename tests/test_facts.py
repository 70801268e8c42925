"""Each fact of the letter (L1-L11), of the FTC's case (F1-F3) and of 2019's reports (W1), through MQTT.

One running cloud for each policy; each test is an account of its own in it, with a device registered for it. Time is
simulated and only goes forward, so no test relies on what time it is.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cloud_stub.house import flac
from tests.processes import Cloud, asked, cloud, cloud_stub, until
from tests.speaker import Speaker, speaker

TRANSACTIONS = {
    "subscription": "subscribe to amazon music unlimited",
    "order": "order milk and eggs from amazon fresh",
    "ride": "request a ride from uber to the airport",
    "pizza": "order a large pepperoni pizza from dominos",
    "in_skill_purchase": "buy the extra questions in the quiz",
}


@dataclass
class Home:
    """An account, its device, and the cloud that it talks to."""

    account: str
    device: Speaker
    data: Path

    def left(self) -> list[dict[str, Any]]:
        report = asked("left", self.account, "--data", self.data)
        assert report["unexplained"] == 0
        rows: list[dict[str, Any]] = report["left"]
        return rows

    def kinds(self) -> set[str]:
        # Messages on their way are erased when they are confirmed: they come and go.
        return {f"{row['store']}/{row['kind']}" for row in self.left() if row["kind"] != "directive"}

    def only(self, kind: str) -> dict[str, Any]:
        (row,) = [row for row in self.left() if f"{row['store']}/{row['kind']}" == kind]
        return row

    def history(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = asked("history", self.account, "--data", self.data)
        return rows

    def erase(self, *what: str) -> None:
        asked("erase", self.account, *what, "--data", self.data)

    def settled(self) -> None:
        """Until no message is on its way to a third party any more."""
        until(lambda: asked("status", "--data", self.data)["outgoing"] == 0, "third parties to answer")

    def later(self, period: str) -> None:
        asked("advance", period, "--data", self.data)

    def files_with(self, words: str | bytes) -> set[str]:
        """The operator's files that hold these words."""
        wanted = words.encode() if isinstance(words, str) else words
        return {file.name for file in (self.data / "cloud").iterdir() if wanted in file.read_bytes()}


Open = Callable[..., Home]


def homes(policy: str, folder: Path) -> Iterator[Open]:
    with ExitStack() as stack:
        server: Cloud = stack.enter_context(cloud(folder / "data", "--policy", policy, "--simulated-clock"))
        names = iter(f"home{number}" for number in range(100))

        def move_in(*, child: bool = False) -> Home:
            name = next(names)
            done = cloud_stub("register", name, "--account", name, "--data", server.data, *["--child"] * child)
            assert done.returncode == 0, done.stderr
            return Home(name, stack.enter_context(speaker(server.broker, name)), server.data)

        yield move_in


@pytest.fixture(scope="module")
def letter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    yield from homes("amazon-2019", tmp_path_factory.mktemp("letter"))


@pytest.fixture(scope="module")
def order(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    yield from homes("ftc-2023", tmp_path_factory.mktemp("order"))


def test_l1_nothing_expires_by_itself(letter: Open) -> None:
    home = letter()
    home.device.say("what time is it")
    home.later("P24M")
    assert [row["transcript"] for row in home.history()] == ["what time is it"]
    assert home.history()[0]["recording"]


def test_l2_deleting_a_recording_deletes_both_transcripts(letter: Open) -> None:
    home = letter()
    said, answer = home.device.ask("remember that the zebra is loose")
    assert home.files_with(answer)
    home.erase("--interaction", said)
    assert home.history() == []
    assert not {kind for kind in home.kinds() if kind.startswith("primary/")}
    primary = {
        name for name in home.files_with(answer) | home.files_with("remember that the zebra") if "primary" in name
    }
    assert primary == set()


def test_l3_copies_in_other_storage_systems_outlive_the_deletion_for_a_while(letter: Open) -> None:
    home = letter()
    home.device.say("what time is it")
    home.erase("--all")
    copy = home.only("subsystems/transcript")
    assert copy["fields"]["request"] == "what time is it"
    assert "L3, assumed" in copy["rule"]
    home.later("P31D")
    assert "subsystems/transcript" not in home.kinds()


def test_l4_the_audio_of_a_response_is_never_stored(letter: Open) -> None:
    home = letter()
    home.device.say("what time is it")
    sounds = [row for row in home.left() if any("FLAC" in str(value) for value in row["fields"].values())]
    assert {f"{row['store']}/{row['kind']}" for row in sounds} == {"primary/recording", "training/recording"}
    for row in sounds:
        assert row["fields"]["flac"] == f"{len(flac())} bytes of FLAC", "only what was said"


def test_l5_records_of_actions_stay(letter: Open) -> None:
    home = letter()
    home.device.say("set an alarm for seven a m")
    home.device.say("add milk to my shopping list")
    home.later("P24M")
    assert "L5" in home.only("actions/alarm")["rule"]
    home.erase("--all")
    assert {"actions/alarm", "actions/list_item"} <= home.kinds()


def test_l6_skill_developers_keep_their_own_records(letter: Open) -> None:
    home = letter()
    home.device.say(TRANSACTIONS["pizza"])
    home.settled()
    home.erase("--all")
    theirs = home.only("third_parties/pizza/pizza")
    assert theirs["fields"]["size"] == "large"
    assert "L6" in theirs["rule"]


def test_l7_transactions_stay(letter: Open) -> None:
    home = letter()
    for text in TRANSACTIONS.values():
        home.device.say(text)
    home.settled()
    home.erase("--all")
    assert {f"commerce/{kind}" for kind in TRANSACTIONS} <= home.kinds()
    assert all("L7" in row["rule"] for row in home.left() if row["store"] == "commerce")


def test_l8_the_alarm_still_rings_and_the_message_keeps_who_and_when(letter: Open) -> None:
    home = letter()
    home.device.say("set a recurring alarm for seven a m")
    home.device.say("send a message to bob saying the zebra is loose")
    home.erase("--all")
    (alarm,) = asked("due", home.account, "--data", home.data)
    assert (alarm["what"], alarm["about"], alarm["recording_deleted"]) == ("ring", "07:00", True)
    message = home.only("actions/message")["fields"]
    assert (message["recipient"], message["text"]) == ("bob", None)
    assert message["sent_at"]


def test_l9_samples_stay_in_the_training_corpus(letter: Open) -> None:
    home = letter()
    home.device.say("what time is it")
    home.erase("--all")
    assert home.only("training/transcript")["fields"]["text"] == "what time is it"
    assert "L9, assumed" in home.only("training/recording")["rule"]


def test_l10_the_history_can_be_seen_and_heard_and_deleted_one_by_one_by_time_or_whole(letter: Open) -> None:
    home = letter()
    said = [home.device.say(text) for text in ("what time is it", "what's the weather", "set an alarm for seven a m")]
    rows = home.history()
    assert [row["id"] for row in rows] == said
    assert all(row["recording"] == len(flac()) and row["response"] for row in rows)
    home.erase("--interaction", said[0])
    assert [row["id"] for row in home.history()] == said[1:]
    home.erase("--since", rows[1]["at"], "--until", rows[1]["at"])
    assert [row["id"] for row in home.history()] == said[2:]
    home.erase("--all")
    assert home.history() == []


def test_l11_every_record_carries_the_account(letter: Open) -> None:
    home = letter()
    for text in ("what time is it", *TRANSACTIONS.values()):
        home.device.say(text)
    home.settled()
    found: dict[str, int] = {}
    for row in home.left():
        store, kind = row["store"], row["kind"]
        if store.startswith("third_parties/"):
            file, table = home.data / store / f"{store.split('/')[1]}.db", "held"
        else:
            file, table = home.data / "cloud" / f"{store}.db", kind
        with sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True) as connection:
            query = f'SELECT count(*) FROM "{table}" WHERE account = ? AND interaction = ?'
            found[f"{store}/{kind}"] = connection.execute(query, (home.account, row["interaction"])).fetchone()[0]
        connection.close()
    assert len(found) > 10
    assert all(found.values())


def test_f1_under_the_order_no_transcript_stays_in_any_store(order: Open) -> None:
    home = order()
    said, answer = home.device.ask("remember that the zebra is loose in lisbon")
    assert len(home.files_with("zebra is loose in lisbon")) >= 3
    home.erase("--interaction", said)
    home.settled()
    assert home.files_with("zebra is loose in lisbon") == set()
    assert home.files_with(answer) == set()
    assert home.kinds() == set()


def test_f2_a_parents_deletion_is_carried_out_and_a_silent_childs_profile_ends(order: Open, letter: Open) -> None:
    child = order(child=True)
    child.device.say("what time is it")
    child.device.say("delete everything")
    assert child.kinds() == set()
    silent, kept = order(child=True), letter(child=True)
    for home in (silent, kept):
        home.device.say("what time is it")
        home.later("P91D")
    assert silent.kinds() == set()
    assert "primary/recording" in kept.kinds(), "which is what the case was about"


def test_f3_nothing_deleted_is_left_for_training(order: Open) -> None:
    home = order()
    home.device.say("what time is it")
    assert "training/recording" in home.kinds()
    home.erase("--all")
    assert not {kind for kind in home.kinds() if kind.startswith("training/")}
    other = order()
    other.device.say("what time is it")
    asked("settings", "use_for_improvement", "no", "--account", other.account, "--data", other.data)
    assert not {kind for kind in other.kinds() if kind.startswith("training/")}
    other.device.say("what time is it")
    assert not {kind for kind in other.kinds() if kind.startswith("training/")}
    assert "primary/recording" in other.kinds()


def test_w1_the_walnut_outlives_the_recordings_until_the_account_is_closed(letter: Open) -> None:
    home = letter(child=True)
    home.device.say("remember that i am allergic to walnuts")
    home.device.say("delete everything")
    _, answer = home.device.ask("what am i allergic to")
    assert "walnuts" in answer
    done = cloud_stub("close-account", home.account, "--data", home.data)
    assert done.returncode == 0, done.stderr
    assert "actions/fact" not in home.kinds()


def test_auto_delete_deletes_as_the_household_would_have(letter: Open) -> None:
    home = letter()
    home.device.say("set an alarm for seven a m")
    asked("settings", "auto_delete", "P3M", "--account", home.account, "--data", home.data)
    home.later("P2M")
    home.device.say("what time is it")
    home.later("P2M")
    assert [row["transcript"] for row in home.history()] == ["what time is it"]
    assert "L8" in home.only("actions/alarm")["rule"], "as after a deletion by hand"


def test_recordings_that_are_not_to_be_saved_are_forgotten(letter: Open) -> None:
    home = letter()
    asked("settings", "save_recordings", "no", "--account", home.account, "--data", home.data)
    home.device.say("what time is it")
    assert [(row["transcript"], row["recording"]) for row in home.history()] == [("what time is it", None)]
    assert not {kind for kind in home.kinds() if kind.endswith("/recording")}


def test_deleting_by_voice_can_be_switched_off(letter: Open) -> None:
    home = letter()
    asked("settings", "delete_by_voice", "no", "--account", home.account, "--data", home.data)
    home.device.say("what time is it")
    _, answer = home.device.ask("delete everything")
    assert "switched off" in answer
    assert len(home.history()) == 2


def test_a_setting_can_be_changed_by_voice(letter: Open) -> None:
    home = letter()
    home.device.say("delete my recordings after three months")
    assert asked("settings", "--account", home.account, "--data", home.data)["auto_delete"] == "P3M"


def test_a_setting_can_be_changed_by_a_message(letter: Open) -> None:
    home, other = letter(), letter()
    told = home.device.set("auto_delete", "P3M")
    assert (told.name, getattr(told, "auto_delete", "")) == ("settings", "P3M")
    refused = home.device.set("auto_delete", "soon")
    assert refused.name == "refused"
    assert "auto_delete cannot be 'soon'" in getattr(refused, "reason", "")
    home.device.say("what time is it")
    other.device.say("what time is it")
    home.later("P4M")
    assert home.history() == []
    assert len(other.history()) == 1, "a device speaks for its own household"
    assert cloud_stub("close-account", home.account, "--data", home.data).returncode == 0
    assert home.device.set("auto_delete", "P18M").name == "forgotten"
    assert asked("settings", "--account", home.account, "--data", home.data)["auto_delete"] == "never"


def test_accounts_live_side_by_side(letter: Open) -> None:
    one, other = letter(), letter()
    one.device.say("remember that i am allergic to walnuts")
    other.device.say("remember that i am allergic to cats")
    one.erase("--all")
    assert [row["transcript"] for row in other.history()] == ["remember that i am allergic to cats"]
    _, answer = other.device.ask("what am i allergic to")
    assert "cats" in answer
    assert "walnuts" not in answer


def test_a_closed_accounts_late_messages_stay_deleted_and_become_nobody_elses(letter: Open) -> None:
    home = letter()
    home.device.say("remember that the zebra is loose in oxford")
    assert cloud_stub("close-account", home.account, "--data", home.data).returncode == 0
    home.device.say("remember that the zebra is back in oxford", speaks=False)
    assert home.files_with("back in oxford") == set()
    assert asked("history", "household", "--data", home.data) == []
