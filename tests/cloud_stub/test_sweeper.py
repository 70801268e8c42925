"""A sweep goes account by account, in chunks: each entry of the ledger names what its chunk takes, and nothing else."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Table, event, insert, select

from cloud_stub.contract.messages import new_id, rfc3339
from cloud_stub.house import House, open_house
from cloud_stub.retention.jobs import ACCOUNTS
from cloud_stub.retention.policy import SHIPPED, parse
from cloud_stub.retention.sweeper import CHUNK, HEAVY, Sweeper
from cloud_stub.stores.tables import RECORDS, account, scope, setting
from cloud_stub.stores.tables import ledger as entries

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TRANSCRIPT = RECORDS["subsystems", "transcript"]
RECORDING = RECORDS["primary", "recording"]
#: Accounts by how many of their rows are due; each has two that are not.
DUE = {"none": 0, "one": 1, "two": 2, "three": 3, "a-chunk-and-more": 7, "the-last": 4}


class Standing:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOW


@contextmanager
def household(data: Path, policy: str = "amazon-2019") -> Iterator[House]:
    with open_house(data, policy, create=True) as house:
        yield house


def sweeper(house: House, chunk: int = CHUNK) -> Sweeper:
    return Sweeper(house.stores, house.keys, house.engine, Standing(), chunk)  # type: ignore[arg-type]


def remember(house: House, table: Table, name: str, ages: list[timedelta], *, trigger: str | None = None) -> None:
    """Records of an account, so old; with a trigger, deleted at once."""
    rows = []
    for age in ages:
        at = rfc3339(NOW - age)
        row = {"account": name, "interaction": new_id(NOW - age), "position": 0, "device": "kitchen"}
        marks = {"deleted_at": at if trigger else None, "deleted_by": trigger}
        rows.append(row | {"at": at, "received_at": at} | marks)
    with house.stores.write() as connection:
        connection.execute(insert(table), rows)


def there(house: House, table: Table) -> set[tuple[str, str]]:
    with house.stores.read() as connection:
        return {(row[0], row[1]) for row in connection.execute(select(table.c.account, table.c.interaction))}


def policy_that(action: str) -> str:
    """The letter's rules, but what the subsystems have is no longer kept after thirty days."""
    text = (SHIPPED / "amazon-2019.toml").read_text("utf-8")
    kept = 'store = ["subsystems", "training"]\nkind = ["recording", "transcript"]\ntrigger = ["age", "inactive"]\n'
    assert kept in text
    rest = 'store = "training"\nkind = ["recording", "transcript"]\ntrigger = ["age", "inactive"]\n'
    rule = (
        '\n[[rule]]\nstore = "subsystems"\nkind = "transcript"\nbecause = "for this test (assumed)"\nassumed = true\n'
    )
    return (
        text.replace(kept, rest)
        + f'{rule}trigger = "age"\nafter = "P30D"\n{action}\n'
        + f'{rule}trigger = "inactive"\naction = "keep"\n'
    )


ACTIONS = {
    "erase": 'action = "erase"',
    "redact": 'action = "redact"\nfields = ["request"]',
    "pseudonymise": 'action = "pseudonymise"',
}


@pytest.mark.parametrize("trigger", ["age", "user_delete"])
@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 100])
def test_each_chunk_erases_what_its_entry_names(tmp_path: Path, chunk: int, trigger: str) -> None:
    with household(tmp_path) as house:
        if trigger == "age":
            house.engine.policy = parse(policy_that(ACTIONS["erase"]), "test.toml")
        for name, due in DUE.items():
            # All at one moment, so that only the ids can tell which come first.
            ages = [timedelta(days=40)] * due + [timedelta(days=1)] * 2
            remember(house, TRANSCRIPT, name, ages, trigger=None if trigger == "age" else trigger)
        before, named = there(house, TRANSCRIPT), 0
        sweeping = sweeper(house, chunk)
        while sweeping.step():
            after = there(house, TRANSCRIPT)
            with house.stores.read() as connection:
                new = connection.execute(select(entries).where(entries.c.seq > named)).mappings().all()
            told = [name for entry in new for name in entry["interactions"].split()]
            assert sorted(told) == sorted(house.keys.pseudonym(*subject) for subject in before - after)
            assert all(entry["records"] == len(entry["interactions"].split()) <= chunk for entry in new)
            before, named = after, named + len(new)
        assert sweeping.swept == sum(DUE.values())
        assert Counter(name for name, _ in before) == dict.fromkeys(DUE, 2)


@pytest.mark.parametrize("action", ["redact", "pseudonymise"])
def test_what_a_rule_changes_is_changed_once_and_stays(tmp_path: Path, action: str) -> None:
    with household(tmp_path) as house:
        house.engine.policy = parse(policy_that(ACTIONS[action]), "test.toml")
        for name, due in DUE.items():
            remember(house, TRANSCRIPT, name, [timedelta(days=40)] * due + [timedelta(days=1)] * 2)
        with house.stores.write() as connection:
            connection.execute(TRANSCRIPT.update().values(request="what time is it"))
        assert sweeper(house, 3).sweep() == sum(DUE.values())
        assert sweeper(house, 3).sweep() == 0
        with house.stores.read() as connection:
            rows = connection.execute(select(TRANSCRIPT)).all()
        assert len(rows) == sum(DUE.values()) + 2 * len(DUE)
        changed = [row for row in rows if (row.request is None if action == "redact" else row.account[0] == "~")]
        assert len(changed) == sum(DUE.values())
        assert {row.received_at for row in changed} == {rfc3339(NOW - timedelta(days=40))}


def test_a_sweep_finds_its_way_past_accounts_that_have_nothing_due(tmp_path: Path) -> None:
    with household(tmp_path) as house:
        for number in range(3 * ACCOUNTS):
            remember(house, TRANSCRIPT, f"account{number:04}", [timedelta(days=1)], trigger="user_delete")
        remember(house, TRANSCRIPT, "the-last", [timedelta(days=40)], trigger="user_delete")
        assert sweeper(house).sweep() == 1


def test_recordings_are_erased_in_smaller_chunks(tmp_path: Path) -> None:
    with household(tmp_path) as house:
        policy = policy_that(ACTIONS["erase"])
        kept = 'store = "primary"\nkind = ["recording", "transcript", "response"]\ntrigger = ["age", "inactive"]\n'
        assert kept in policy
        rest = kept.replace('"recording", ', "")
        rule = (
            '\n[[rule]]\nstore = "primary"\nkind = "recording"\nbecause = "for this test (assumed)"\nassumed = true\n'
        )
        policy = policy.replace(kept, rest) + f'{rule}trigger = "age"\nafter = "P30D"\naction = "erase"\n'
        house.engine.policy = parse(policy + f'{rule}trigger = "inactive"\naction = "keep"\n', "test.toml")
        remember(house, RECORDING, "household", [timedelta(days=40)] * 5)
        sweeping = sweeper(house, chunk=2 * HEAVY)
        assert sweeping.step()
        assert sweeping.swept == 2
        assert sweeping.sweep() == 3


def test_auto_delete_asks_only_who_wants_it_and_remembers_nothing(tmp_path: Path) -> None:
    with household(tmp_path, "auto-delete-3-months") as house:
        names = {"by-default": None, "sooner": "P7D", "never": "never"}
        with house.stores.write() as connection:
            for name, wish in names.items():
                row = {"account": name, "received_at": rfc3339(NOW), "heard_at": rfc3339(NOW)}
                connection.execute(insert(account), row)
                if wish:
                    own = {"account": name, "name": "auto_delete", "value": wish, "received_at": rfc3339(NOW)}
                    connection.execute(insert(setting), own)
        for name in names:
            remember(house, RECORDS["primary", "transcript"], name, [timedelta(days=days) for days in (1, 30, 200)])
        sweeper(house, 1).sweep()
        left = Counter(name for name, _ in there(house, RECORDS["primary", "transcript"]))
        assert left == {"by-default": 2, "sooner": 1, "never": 3}
        with house.stores.read() as connection:
            assert connection.execute(select(scope)).all() == []


def swept(house: House) -> list[tuple[str, object]]:
    """The statements of a sweep, and their values."""
    asked: list[tuple[str, object]] = []
    with house.stores.read() as connection:
        engine = connection.engine

    def noted(_c: object, _k: object, statement: str, values: object, _x: object, _m: object) -> None:
        asked.append((statement, values))

    event.listen(engine, "before_cursor_execute", noted)
    sweeper(house).sweep()
    event.remove(engine, "before_cursor_execute", noted)
    return asked


@pytest.mark.parametrize("age", [1, 40])
def test_a_sweep_keeps_nobody_from_writing_but_for_what_is_due(tmp_path: Path, age: int) -> None:
    with household(tmp_path) as house:
        for name in DUE:
            remember(house, TRANSCRIPT, name, [timedelta(days=age)], trigger="user_delete")
        asked = [statement for statement, _ in swept(house)]
        assert "BEGIN DEFERRED" in asked
        assert ("BEGIN IMMEDIATE" in asked) == (age == 40)


@pytest.mark.parametrize("policy", sorted(file.stem for file in SHIPPED.glob("*.toml")))
def test_no_search_reads_a_whole_table(tmp_path: Path, policy: str) -> None:
    with household(tmp_path, policy) as house:
        for name in DUE:
            remember(house, TRANSCRIPT, name, [timedelta(days=1)])
        searches = [asked for asked in swept(house) if "RECURSIVE" in asked[0]]
        assert searches
        with house.stores.read() as connection:
            for statement, values in searches:
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]
                reads = [row[3] for row in plan]
                assert not [read for read in reads if read.startswith("SCAN") and read != "SCAN name"], reads
                searched = [read for read in reads if read.startswith("SEARCH")]
                # What is marked is few among many.
                marks = "deleted_by" in statement
                assert searched
                assert not marks or all("_deleted_at " in read for read in searched), searched
