"""Where triggers, time and forgetting meet: what the random days have found, each by its name."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import encode, new_id, rfc3339
from cloud_stub.contract.partners import PartnerNotice, partner_topic
from cloud_stub.house import open_house
from cloud_stub.ingest import Ingest
from cloud_stub.retention import receipt
from cloud_stub.retention.clock import keep_time
from cloud_stub.retention.rules import Trigger
from cloud_stub.retention.scopes import Scope
from cloud_stub.retention.sweeper import Sweeper
from cloud_stub.stores.tables import RECORDS, scope
from cloud_stub.stores.tables import ledger as entries
from tests.cloud_stub.house import UTC_ZONE, Neighbourhood, assistant
from tests.cloud_stub.policies import Cases, policy_text
from tests.cloud_stub.postman import Postman

TRANSCRIPT = ("primary", "transcript")
PIZZA = "order a large pepperoni pizza from dominos"


@contextmanager
def under(folder: Path, cases: Cases, **settings: str) -> Iterator[Neighbourhood]:
    """A cloud in simulated time that keeps what these cases do not say otherwise."""
    file = folder / "policy.toml"
    file.write_text(policy_text(cases, settings))
    with open_house(folder / "data", str(file), create=True, simulated=True) as house:
        ingest = Ingest(house.stores, house.keys, house.engine, assistant(), house.clock, UTC_ZONE, training_share=1.0)
        yield Neighbourhood(house, ingest, folder / "data")


def say(cloud: Neighbourhood, text: str) -> str:
    # A second for each, so that their ids stand in the order in which they were said.
    cloud.house.clock.forward(cloud.house.clock.now() + timedelta(seconds=1))
    return cloud.say(text, at=cloud.house.clock.now(), sound=False)


def later(cloud: Neighbourhood, days: int) -> None:
    """So many days pass in which nothing is swept; then all that is due is."""
    house = cloud.house
    house.clock.forward(house.clock.now() + timedelta(days=days))
    with house.stores.write() as connection:
        keep_time(connection, house.clock.now())
    Sweeper(house.stores, house.keys, house.engine, house.clock).sweep()


def fire(cloud: Neighbourhood, interaction: str, trigger: Trigger = "user_delete") -> None:
    now = rfc3339(cloud.house.clock.now())
    cloud.house.engine.erase([Scope(new_id(), "household", now, interaction=interaction, trigger=trigger)])


def rows(cloud: Neighbourhood, store: str, kind: str) -> list[dict[str, Any]]:
    with cloud.house.stores.read() as connection:
        return [dict(row) for row in connection.execute(select(RECORDS[store, kind])).mappings()]


def decisions(cloud: Neighbourhood, store: str, kind: str) -> list[tuple[str, str]]:
    """(trigger, action) of all that the ledger says of them."""
    with cloud.house.stores.read() as connection:
        mine = select(entries).where(entries.c.store == store, entries.c.kind == kind).order_by(entries.c.seq)
        return [(row.trigger, row.action) for row in connection.execute(mine)]


def test_auto_delete_leaves_nothing_for_the_next_message_to_carry_out(tmp_path: Path) -> None:
    with under(tmp_path, {(*TRANSCRIPT, "user_delete"): {"action": "erase"}}, auto_delete="P7D") as cloud:
        for _ in range(3):
            say(cloud, "what time is it")
        later(cloud, 8)
        assert rows(cloud, *TRANSCRIPT) == []
        with cloud.house.stores.read() as connection:
            assert connection.execute(select(scope)).all() == [], "it is not remembered, interaction by interaction"


def test_what_was_auto_deleted_is_not_acted_on_again_when_its_message_is_delivered_again(tmp_path: Path) -> None:
    cases = {(store, kind, "user_delete"): {"action": "erase"} for store, kind in RECORDS}
    cases |= {("operations", "seen", "user_delete"): {"action": "erase"}}
    with under(tmp_path, cases, auto_delete="P7D") as cloud:
        alarm = say(cloud, "set an alarm for seven a m")
        later(cloud, 8)
        cloud.again(alarm)
        assert rows(cloud, "actions", "alarm") == rows(cloud, *TRANSCRIPT) == []


def test_what_is_to_be_deleted_is_not_hidden_under_a_pseudonym_first(tmp_path: Path) -> None:
    cases = {
        (*TRANSCRIPT, "user_delete"): {"action": "erase"},
        (*TRANSCRIPT, "age"): {"action": "pseudonymise", "after": "P10D"},
    }
    with under(tmp_path, cases, auto_delete="P7D") as cloud:
        say(cloud, "what time is it")
        later(cloud, 20)
        assert rows(cloud, *TRANSCRIPT) == [], "though nobody swept while only the deletion was due"


def test_a_third_party_is_asked_before_its_name_is_forgotten(tmp_path: Path) -> None:
    cases: Cases = {
        ("commerce", "pizza", "age"): {"action": "erase", "after": "P10D"},
        ("third_parties/pizza", "pizza", "user_delete"): {"action": "ask", "to": "pizza"},
    }
    with under(tmp_path, cases, auto_delete="P7D") as cloud:
        say(cloud, PIZZA)
        later(cloud, 20)
        assert rows(cloud, "commerce", "pizza") == []
        assert decisions(cloud, "third_parties/pizza", "pizza") == [("user_delete", "ask pizza")]


def test_a_third_partys_answer_is_written_down_under_the_rule_that_asked(tmp_path: Path) -> None:
    cases = {("third_parties/pizza", "pizza", "third_party_request"): {"action": "ask", "to": "pizza"}}
    with under(tmp_path, cases) as cloud:
        postman = Postman(cloud.data)
        said = say(cloud, PIZZA)
        notice = PartnerNotice(partner="pizza", account="household", interaction=said)
        cloud.ingest.handle([Incoming(partner_topic("pizza", "notice"), encode(notice))])
        postman.settle(cloud.house, cloud.ingest)
        postman.close()
        noted = decisions(cloud, "third_parties/pizza", "pizza")
    assert noted == [("third_party_request", "ask pizza"), ("third_party_request", "asked: refused")]


def test_a_pseudonym_that_waits_for_its_time_hides_nothing_before_it(tmp_path: Path) -> None:
    cases = {
        (*TRANSCRIPT, "third_party_request"): {"action": "redact", "fields": ["text"], "after": "P20D"},
        (*TRANSCRIPT, "user_delete"): {"action": "pseudonymise", "after": "P10D"},
        (*TRANSCRIPT, "account_closed"): {"action": "erase"},
    }
    with under(tmp_path, cases) as cloud:
        said = say(cloud, "what time is it")
        fire(cloud, said, "third_party_request")
        fire(cloud, said)
        later(cloud, 5)
        assert [row["account"] for row in rows(cloud, *TRANSCRIPT)] == ["household"]
        cloud.house.engine.close_account("household")
        assert rows(cloud, *TRANSCRIPT) == []


def test_what_waited_beside_a_redaction_comes_in_its_time(tmp_path: Path) -> None:
    cases = {
        (*TRANSCRIPT, "third_party_request"): {"action": "redact", "fields": ["text"], "after": "P20D"},
        (*TRANSCRIPT, "user_delete"): {"action": "pseudonymise", "after": "P10D"},
    }
    with under(tmp_path, cases) as cloud:
        said = say(cloud, "what time is it")
        fire(cloud, said, "third_party_request")
        fire(cloud, said)
        later(cloud, 11)
        (row,) = rows(cloud, *TRANSCRIPT)
        assert row["account"].startswith("~")
        later(cloud, 10)
        (row,) = rows(cloud, *TRANSCRIPT)
        assert row["text"] is None


def test_a_redaction_that_was_carried_out_makes_room_for_another_with_its_own_date(tmp_path: Path) -> None:
    cases = {
        (*TRANSCRIPT, "third_party_request"): {"action": "redact", "fields": ["text"], "after": "P5D"},
        (*TRANSCRIPT, "user_delete"): {"action": "redact", "fields": ["source"], "after": "P20D"},
    }
    with under(tmp_path, cases) as cloud:
        said = say(cloud, "what time is it")
        fire(cloud, said, "third_party_request")
        later(cloud, 6)
        fire(cloud, said)
        later(cloud, 10)
        assert [(row["text"], row["source"]) for row in rows(cloud, *TRANSCRIPT)] == [(None, "text")]
        later(cloud, 11)
        assert [row["source"] for row in rows(cloud, *TRANSCRIPT)] == [None]


def test_what_is_erased_late_is_in_the_ledger_by_its_own_name(tmp_path: Path) -> None:
    cases = {
        (*TRANSCRIPT, "user_delete"): {"action": "pseudonymise", "after": "P5D"},
        (*TRANSCRIPT, "age"): {"action": "erase", "after": "P10D"},
    }
    with under(tmp_path, cases) as cloud:
        said = say(cloud, "what time is it")
        fire(cloud, said)
        later(cloud, 20)
        with cloud.house.stores.read() as connection:
            last = connection.execute(select(entries).order_by(entries.c.seq.desc())).first()
        assert last is not None
        assert (last.trigger, last.action) == ("age", "erase after P10D")
        assert last.interactions == cloud.house.keys.pseudonym("household", said)


def test_what_a_setting_takes_back_has_a_receipt(tmp_path: Path) -> None:
    with under(tmp_path, {("training", "transcript", "setting_changed"): {"action": "erase"}}) as cloud:
        say(cloud, "what time is it")
        say(cloud, "do not use my recordings for training")
        house = cloud.house
        with house.stores.read() as connection:
            (listed,) = receipt.listed(connection)
            made = receipt.make(connection, house.keys, house.policy, listed["deletion"])
        (decision,) = made["decisions"]
        assert (decision["store"], decision["action"], decision["records"]) == ("training", "erase", 1)


def test_what_a_rule_has_redacted_is_not_remembered_and_stops_nobody(tmp_path: Path) -> None:
    cases = {
        ("actions", "fact", "user_delete"): {"action": "redact", "fields": ["text"]},
        ("actions", "list_item", "user_delete"): {"action": "redact", "fields": ["item"]},
    }
    with under(tmp_path, cases) as cloud:
        say(cloud, "remember that my bike is red")
        for text in ("add milk to my shopping list", "remember that my locker is blue"):
            fire(cloud, say(cloud, text))
        answers = {
            "what is my locker": "I don't know. You have not told me to remember that.",
            "forget what i told you about my locker": "I don't remember anything like that.",
            "what is on my shopping list": "Nothing is on your shopping list.",
            "forget that": "I've forgotten that.",
        }
        for text in answers:
            say(cloud, text)
        assert [row["text"] for row in rows(cloud, "primary", "response")[-4:]] == list(answers.values())
        assert [row["text"] for row in rows(cloud, "actions", "fact")] == [None], "the newest that still says something"


def test_a_closed_accounts_message_stays_deleted_when_the_account_is_forgotten(tmp_path: Path) -> None:
    cases = {(store, kind, "account_closed"): {"action": "erase"} for store, kind in RECORDS}
    cases |= {("operations", "seen", "account_closed"): {"action": "erase"}}
    cases |= {("operations", "account", "account_closed"): {"action": "erase", "after": "P20D"}}
    with under(tmp_path, cases) as cloud:
        ahead = cloud.house.clock.now() + timedelta(hours=1)
        early = cloud.say("what time is it", at=ahead, sound=False)
        cloud.house.engine.close_account("household")
        later(cloud, 21)
        cloud.again(early)
        assert rows(cloud, *TRANSCRIPT) == [], "though its device's clock said that it came after the closing"
        say(cloud, "what time is it")
        assert len(rows(cloud, *TRANSCRIPT)) == 1, "the account is opened anew by what is said now"


def test_what_has_a_pseudonym_is_out_of_auto_deletes_reach_and_explained(tmp_path: Path) -> None:
    cases = {
        (*TRANSCRIPT, "user_delete"): {"action": "erase"},
        (*TRANSCRIPT, "age"): {"action": "pseudonymise", "after": "P5D"},
    }
    with under(tmp_path, cases, auto_delete="P7D") as cloud:
        say(cloud, "what time is it")
        later(cloud, 6)
        later(cloud, 2)
        (row,) = [row for row in cloud.left() if row.kind == "transcript" and row.store == "primary"]
        assert row.rule is not None
        assert "(age: pseudonymise after P5D" in row.rule


def test_what_is_to_ring_is_explained_by_the_rule_of_the_deletion_that_lets_its_record_stay(tmp_path: Path) -> None:
    cases = {
        ("actions", "alarm", "user_delete"): {"action": "erase"},
        ("actions", "alarm", "account_closed"): {"action": "erase", "after": "P5D"},
        ("operations", "directive", "account_closed"): {"action": "erase"},
    }
    with under(tmp_path, cases) as cloud:
        alarm = say(cloud, "set an alarm for seven a m")
        # The device is away: its alarm waits for it. A closed account's alarm rings for five days more.
        fire(cloud, alarm, "account_closed")
        waiting = [row for row in cloud.left() if row.kind == "directive"]
        assert [row.fields["purpose"] for row in waiting] == ["alert"]
        assert [row for row in cloud.left() if row.rule is None] == []
