"""The whole story on real sound, as `echo-device demo --json` tells it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cloud_stub.retention import policy as policies
from device.spoken_requests import FOLDER
from tests.processes import asked, echo_device

AT_THE_OPERATOR = {
    ("actions", "alarm"),
    ("actions", "reminder"),
    ("actions", "meeting"),
    ("actions", "message"),
    ("actions", "fact"),
    ("commerce", "subscription"),
    ("commerce", "order"),
    ("commerce", "ride"),
    ("commerce", "pizza"),
    ("commerce", "in_skill_purchase"),
    ("subsystems", "transcript"),
    ("training", "transcript"),
    ("training", "recording"),
}
AT_THIRD_PARTIES = {
    ("third_parties/ride", "ride"),
    ("third_parties/pizza", "pizza"),
    ("third_parties/quiz", "in_skill_purchase"),
}


def told(data: Path, *options: str | Path) -> dict[str, Any]:
    done = echo_device("demo", "--json", "--data", data, *options)
    assert done.returncode == 0, done.stderr
    story: dict[str, Any] = json.loads(done.stdout)
    return story


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("amazon") / "data"


@pytest.fixture(scope="module")
def amazon(folder: Path) -> dict[str, Any]:
    return told(folder)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return told(tmp_path_factory.mktemp("strict") / "data", "--policy", "erase-everything")


def kinds(story: dict[str, Any]) -> set[tuple[str, str]]:
    return {(row["store"], row["kind"]) for row in story["left"]}


def one(story: dict[str, Any], kind: str) -> dict[str, Any]:
    (row,) = [row for row in story["left"] if row["kind"] == kind and not row["store"].startswith("third")]
    return row


def test_what_is_heard_is_what_was_said(amazon: dict[str, Any]) -> None:
    wrong = [row for row in amazon["interactions"] if row["heard"] != row["said"]]
    assert len(amazon["interactions"]) == 13
    assert len(wrong) <= 1


def test_every_request_was_understood_and_answered(amazon: dict[str, Any]) -> None:
    assert [row["intent"] for row in amazon["interactions"]] == [
        "SetAlarm",
        "SetReminder",
        "ScheduleMeeting",
        "SendMessage",
        "Subscribe",
        "OrderGroceries",
        "RequestRide",
        "OrderPizza",
        "BuyInSkill",
        "RememberFact",
        "AskTime",
        "DeleteRange",
        "RecallFact",
    ]
    assert all(row["response"] for row in amazon["interactions"])


def test_the_voice_deletion_takes_everything_said_before_it_and_itself(amazon: dict[str, Any]) -> None:
    assert amazon["deletion"]["requested_by"] == "voice"
    assert amazon["deletion"]["interactions"] == [row["id"] for row in amazon["interactions"][:12]]


def test_under_the_letter_everything_derived_stays(amazon: dict[str, Any]) -> None:
    assert kinds(amazon) == AT_THE_OPERATOR | AT_THIRD_PARTIES


def test_under_the_letter_a_message_keeps_who_and_when_but_not_the_words(amazon: dict[str, Any]) -> None:
    message = one(amazon, "message")["fields"]
    assert message["recipient"] == "bob"
    assert message["sent_at"]
    assert message["text"] is None


def test_every_record_names_its_rule_and_the_clause_as_the_policy_has_it(amazon: dict[str, Any]) -> None:
    clauses = {rule.because for rule in policies.load("amazon-2019").rules}
    assert amazon["unexplained"] == 0
    assert all(row["rule"].startswith("amazon-2019 rule ") for row in amazon["left"])
    assert {row["clause"] for row in amazon["left"]} <= clauses


def test_third_parties_did_what_they_were_asked(amazon: dict[str, Any]) -> None:
    for kind in ("ride", "pizza", "in_skill_purchase"):
        assert one(amazon, kind)["fields"]["status"] == "done"
        assert one(amazon, kind)["fields"]["reference"]


def test_the_walnut_is_still_known_after_the_deletion(amazon: dict[str, Any]) -> None:
    assert "allergic to walnuts" in amazon["walnut"]


def test_the_kept_folder_answers_the_same_afterwards(amazon: dict[str, Any], folder: Path) -> None:
    report = asked("left", "household", "--data", folder)
    assert set(report) == {"account", "policy", "left", "unexplained", "witnessed"}
    later = [row for row in report["left"] if row["interaction"] != amazon["interactions"][-1]["id"]]
    assert sorted(later, key=str) == sorted(amazon["left"], key=str)


def test_no_word_of_the_deleted_requests_is_left_in_any_primary_file(amazon: dict[str, Any], folder: Path) -> None:
    files = list((folder / "cloud").glob("primary.db*"))
    assert files
    for file in files:
        content = file.read_bytes()
        assert not [row["heard"] for row in amazon["interactions"][:12] if row["heard"].encode() in content]


def test_erase_everything_leaves_only_what_third_parties_keep(strict: dict[str, Any]) -> None:
    assert kinds(strict) == {("third_parties/pizza", "pizza"), ("third_parties/quiz", "in_skill_purchase")}
    rules = {row["store"]: row["rule"] for row in strict["left"]}
    assert rules["third_parties/pizza"].endswith("asked: refused")
    assert rules["third_parties/quiz"].endswith("asked: silent")


def test_erase_everything_has_an_honest_answer_to_the_walnut_question(strict: dict[str, Any]) -> None:
    assert "I don't know" in strict["walnut"]
    assert strict["unexplained"] == 0


def test_swapped_sounds_are_heard_swapped(tmp_path: Path) -> None:
    """Nothing is canned: the words come from the sound, not from the name of its file."""
    sounds = tmp_path / "sounds"
    shutil.copytree(FOLDER, sounds)
    swap(sounds / "01_alarm.flac", sounds / "08_pizza.flac")
    story = told(tmp_path / "data", "--sounds", sounds)
    heard = [row["heard"] for row in story["interactions"]]
    assert heard[0] == "order a large pepperoni pizza from dominos"
    assert heard[7] == "set a recurring alarm for seven a m"


def swap(one_file: Path, other: Path) -> None:
    content = one_file.read_bytes()
    one_file.write_bytes(other.read_bytes())
    other.write_bytes(content)
