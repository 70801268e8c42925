"""One trace, played into SQLite and into PostgreSQL: every table holds the same rows afterwards, and says so alike."""

import random
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from sqlalchemy import Table, select

from cloud_stub import accounts
from cloud_stub.batch import Incoming
from cloud_stub.contract import messages
from cloud_stub.contract.messages import (
    Confirm,
    Interaction,
    decode,
    encode,
    event_topic,
    new_id,
    rfc3339,
)
from cloud_stub.contract.partners import PartnerNotice, PartnerReply, PartnerRequest, partner_topic
from cloud_stub.due import due
from cloud_stub.house import House, open_house
from cloud_stub.ingest import Ingest
from cloud_stub.retention import ledger, receipt
from cloud_stub.retention.clock import keep_time
from cloud_stub.retention.scopes import Scope
from cloud_stub.retention.sweeper import Sweeper
from cloud_stub.status import status
from cloud_stub.stores import keys
from cloud_stub.stores.tables import RECORDS, directive, metadata, quarantine
from tests.cloud_stub.house import UTC_ZONE, Neighbourhood, assistant, flac, neighbourhood, sealed
from tests.real.postgres import Server

START = datetime(2026, 11, 23, 10, tzinfo=UTC)
POLICIES = ("amazon-2019", "ftc-2023", "erase-everything")
SAID = (
    "what time is it",
    "set an alarm for seven a m",
    "set a timer for ninety nine weeks" + " and ninety nine weeks" * 40,
    "remember that i am allergic to walnuts",
    "remember that Zo\u00eb sings \U0001f3b5 at the caf\u00e9",
    "what am i allergic to",
    "forget that",
    "send a message to bob saying i am running late",
    "add milk to my shopping list",
    "what is on my shopping list",
    "order milk and eggs from amazon fresh",
    "subscribe to amazon music unlimited",
    "request a ride from uber to the airport",
    "order two large pepperoni pizzas from dominos",
    "buy the extra questions in the quiz",
    "delete what i just said",
    "delete everything i said today",
    "delete my recordings after three months",
    "do not use my recordings for training",
    "hm \u202e \u0301 \\u0000 \\ ' \" ; drop table",
)


@pytest.fixture
def same_every_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Call it to begin anew: ids and keys then come in the same order as the last time."""

    def begin(seed: int) -> None:
        chance = random.Random(seed)
        times = iter(range(10**18, 2 * 10**18, 10**6))
        monkeypatch.setattr(messages, "os", SimpleNamespace(urandom=chance.randbytes))
        monkeypatch.setattr(messages, "time", SimpleNamespace(time_ns=lambda: next(times)))
        monkeypatch.setattr(keys, "secrets", SimpleNamespace(token_bytes=chance.randbytes))

    return begin


def play(folder: Path, store: str | None, policy: str, seed: int) -> dict[str, Any]:
    """Live through some days; everything that is in the stores then, and what looking at them says."""
    chance = random.Random(seed)
    folder.mkdir()
    (folder / "cloud").mkdir()
    # The witness's key is no part of the comparison, but its rows are.
    (folder / "cloud" / "witness.key").write_bytes(bytes(16))
    with open_house(folder, policy, store=store, create=True, simulated=START) as house:
        ingest = Ingest(house.stores, house.keys, house.engine, assistant(), house.clock, UTC_ZONE, training_share=0.5)
        cloud = Neighbourhood(house, ingest, folder)
        with house.stores.write() as connection:
            for name, owner in (("kitchen", "alice"), ("hall", "alice"), ("attic", "bob"), ("shed", "carol")):
                accounts.register(connection, house.clock, name, owner, child=owner == "carol")
        said: list[str] = []
        for _ in range(60):
            step(cloud, chance, said)
        house.engine.close_account("bob")
        Sweeper(house.stores, house.keys, house.engine, house.clock, chunk=7).sweep()
        return everything(house)


def step(cloud: Neighbourhood, chance: random.Random, said: list[str]) -> None:  # noqa: PLR0912 - a case each
    house = cloud.house
    match chance.choice(
        ["say"] * 6 + ["again", "torn", "confirm", "partners", "notice", "erase", "advance", "setting"]
    ):
        case "say":
            batch = []
            for _ in range(chance.randint(1, 4)):
                device = chance.choice(["kitchen", "hall", "attic", "shed", "stranger"])
                at = house.clock.now() - timedelta(seconds=chance.choice([0, 0, 5, 90_000]))
                name = cloud.say(chance.choice(SAID), at=at, device=device, send=False)
                said.append(name)
                batch.append(name)
                if chance.random() < 0.3:
                    cloud.record(name, device, flac(chance.randint(0, 9)))
            cloud.again(*batch)
        case "again" if said:
            cloud.again(*chance.choices(said, k=3))
        case "torn" if said:
            whole = cloud.said[chance.choice(said)]
            torn = whole.payload[: chance.randint(0, len(whole.payload) - 1)]
            cloud.ingest.handle([Incoming(whole.topic, torn), Incoming("echo/v1/hall/event/\0odd", b"\0\xff")])
        case "confirm":
            for device in ("kitchen", "attic"):
                ids = [row["id"] for row in waiting(house) if row["recipient"] == f"device/{device}"]
                if ids:
                    cloud.ingest.handle([Incoming(event_topic(device, "confirm"), encode(Confirm(ids[:500])))])
        case "partners":
            answer_partners(cloud, chance)
        case "notice" if said:
            notice = PartnerNotice(partner="pizza", account="alice", interaction=chance.choice(said))
            cloud.ingest.handle([Incoming(partner_topic("pizza", "notice"), encode(notice))])
        case "erase":
            erase(house, chance, said)
        case "advance":
            advance(house, chance)
        case "setting":
            name, value = chance.choice([("save_recordings", "no"), ("save_recordings", "yes"), ("auto_delete", "P3M")])
            with house.stores.write() as connection:
                house.engine.change_setting(connection, chance.choice(["alice", "carol"]), name, value)


def erase(house: House, chance: random.Random, said: list[str]) -> None:
    now = rfc3339(house.clock.now())
    since = rfc3339(house.clock.now() - timedelta(days=chance.randint(0, 20)))
    owner = chance.choice(["alice", "carol"])
    one = chance.choice(said) if said and chance.random() < 0.5 else None
    house.engine.erase([Scope(new_id(), owner, now, one, None if one else since, None if one else now)])


def advance(house: House, chance: random.Random) -> None:
    house.clock.forward(house.clock.now() + timedelta(days=chance.randint(1, 40)))
    with house.stores.write() as connection:
        keep_time(connection, house.clock.now())
    Sweeper(house.stores, house.keys, house.engine, house.clock, chunk=chance.randint(1, 9)).sweep()


def waiting(house: House) -> list[dict[str, Any]]:
    return rows(house, directive)


def rows(house: House, table: Table) -> list[dict[str, Any]]:
    """All rows, their content readable, in the order of their keys."""
    with house.stores.read() as connection:
        found = connection.execute(select(table).order_by(*table.primary_key)).mappings().all()
    return house.keys.seal.opened(table, found)


def answer_partners(cloud: Neighbourhood, chance: random.Random) -> None:
    for row in waiting(cloud.house):
        partner = row["recipient"].removeprefix("partner/")
        if partner == row["recipient"]:
            continue
        request = decode(PartnerRequest, row["payload"])
        outcome = "done" if request.verb == "perform" else chance.choice(["honoured", "refused", "silent"])
        if outcome == "silent":
            cloud.ingest.give_up([row["id"]])
            continue
        reply = PartnerReply(request=row["id"], partner=partner, outcome=outcome, reference=f"{partner}-1")  # type: ignore[arg-type]
        cloud.ingest.handle([Incoming(partner_topic(partner, "reply"), encode(reply))])


def everything(house: House) -> dict[str, Any]:
    found: dict[str, Any] = {f"{table.schema}.{table.name}": rows(house, table) for table in metadata.sorted_tables}
    # In which order an entry names its interactions is nobody's promise, and every later hash follows from it.
    for row in found["ledger.entry"]:
        row |= {"interactions": sorted(row["interactions"].split()), "previous": "", "hash": ""}
    # The one row that is written in the machine's own time.
    found["operations.setting"] = [row for row in found["operations.setting"] if row["name"] != "policy"]
    with house.stores.read() as connection:
        found["chain"] = list(ledger.verify(connection))
        found["receipts"] = receipt.listed(connection)
        found["status"] = status(connection)
        found["due"] = [
            due(connection, house.keys.seal, name, house.clock.now(), UTC_ZONE) for name in ("alice", "bob", "carol")
        ]
    cloud = Neighbourhood(house, None, house.data)  # type: ignore[arg-type]
    found["history"] = [cloud.history(name) for name in ("alice", "bob", "carol")]
    found["left"] = [[asdict(row) for row in cloud.left(name)] for name in ("alice", "bob", "carol")]
    return found


@pytest.mark.parametrize(
    "policy", [POLICIES[0], *(pytest.param(name, marks=pytest.mark.soak) for name in POLICIES[1:])]
)
def test_one_trace_leaves_the_same_rows_on_both(
    postgres: Server, tmp_path: Path, same_every_time: Callable[[int], None], policy: str
) -> None:
    seed, shut = POLICIES.index(policy), sealed(tmp_path, policy)
    same_every_time(seed)
    on_sqlite = play(tmp_path / "sqlite", None, shut, seed)
    same_every_time(seed)
    on_postgres = play(tmp_path / "postgres", postgres.database(), shut, seed)
    assert {name for name, value in on_sqlite.items() if not value} <= {"chain", *_maybe_empty()}
    for name, value in on_sqlite.items():
        assert on_postgres[name] == value, name


def _maybe_empty() -> set[str]:
    """Kinds that a policy may have erased by then."""
    return {f"{store}.{kind}" for store, kind in RECORDS} | {"operations.directive", "operations.quarantine", "due"}


@pytest.fixture(params=["sqlite", "postgresql"])
def cloud(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Neighbourhood]:
    """A cloud on either."""
    store = None if request.param == "sqlite" else request.getfixturevalue("postgres").database()
    with neighbourhood(tmp_path / "data", sealed(tmp_path), store=store) as it:
        yield it


def test_a_nul_character_is_refused_with_the_reason_wherever_it_stands(cloud: Neighbourhood) -> None:
    good = cloud.say("what time is it", sound=False)
    bad = cloud.say("what time is it", send=False)
    said = msgspec.json.decode(cloud.said[bad].payload)
    word = {"word": "a\0b", "start_ms": 0, "end_ms": 1, "confidence": 1.0}
    for change in ({"transcript": "a\0b"}, {"wake_word": "\0"}, {"model": "a\0"}, {"words": [word]}, {"\0": 1}):
        cloud.ingest.handle([Incoming(cloud.said[bad].topic, msgspec.json.encode(said | change)), cloud.said[good]])
    notice = PartnerNotice(partner="pizza", account="a\0b", interaction=good)
    reply = PartnerReply(request=good, partner="pizza", outcome="done", reference="a\0b")
    cloud.ingest.handle(
        [
            Incoming(partner_topic("pizza", "notice"), encode(notice)),
            Incoming(partner_topic("pizza", "reply"), encode(reply)),
            Incoming(event_topic("kitchen", "error"), b'{"at":"2026-11-23T10:00:00Z","problem":"\\u0000","remedy":""}'),
            Incoming("echo/v1/ki\0tchen/event/interaction", b"{}"),
            Incoming("echo/v1/kitchen/event/recording/\0", b"{}"),
            Incoming("\0", b"\0"),
        ]
    )
    with cloud.house.stores.read() as connection:
        found = cloud.house.keys.seal.opened(quarantine, connection.execute(select(quarantine)).mappings())
    reasons = [row["reason"] for row in found]
    assert len(reasons) == 11
    assert sum("NUL character (\\u0000). Leave it out." in reason for reason in reasons) == 7
    refused = [one for one in cloud.directives(bad) if one.name == "refused"]
    assert len(refused) == 5
    assert [row["id"] for row in cloud.history()] == [good], "what was accepted before is still there"


ODD = (
    "\\u0000 said out loud",
    "\ufffe\uffff\ue000",
    "\u202egnihtemos sdrawkcab",
    "e\u0301 is not \u00e9",
    "\U0001f95c\U0010ffff",
    "\x01\x1f\x7f\x80\x85",
    '\'; DROP TABLE "primary".transcript; -- %s %(x)s :x ?',
)


@pytest.mark.parametrize("text", ODD)
def test_any_other_text_comes_back_as_it_was_said(cloud: Neighbourhood, text: str) -> None:
    said = cloud.say(text, sound=False)
    (row,) = cloud.history()
    assert (row["id"], row["transcript"]) == (said, text)
    cloud.house.engine.erase([Scope(new_id(), "household", rfc3339(cloud.house.clock.now()), interaction=said)])
    assert cloud.history() == []


@pytest.mark.parametrize("half", [b"\\ud800", b"\\udfff", b"\xed\xa0\x80"])
def test_half_a_character_is_refused(cloud: Neighbourhood, half: bytes) -> None:
    at = datetime.now(UTC)
    said = Interaction(id=new_id(at), device="kitchen", at=at, source="text", wake_word="alexa", transcript="WALNUT")
    cloud.ingest.handle([Incoming(said.topic(), encode(said).replace(b"WALNUT", half))])
    assert cloud.answers(said.id) == [("refused", "interaction")]
    assert cloud.history() == []
