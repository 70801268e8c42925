"""The ledger proves what was decided: any change of it is found, and it says of whom only to who has the key."""

import hmac
import json
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from cloud_stub.contract.messages import new_id
from cloud_stub.retention import ledger
from cloud_stub.retention.ledger import Decision
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.repository import Stores
from cloud_stub.stores.tables import ledger as entries
from tests.processes import cloud_stub
from tests.soak import tenth

AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
ENTRIES = 12
INTERACTIONS = [new_id(AT) for _ in range(2 * ENTRIES)]
ACCOUNTS = ("the-millers", "the-neighbours")

COLUMNS = [column.name for column in entries.columns]
NUMBERS = ("seq", "records")
#: Text that SQLite stores as it is given; control characters and quotes included.
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=70)
PSEUDONYMS = st.lists(st.text("0123456789abcdef", min_size=32, max_size=32), max_size=3)


def decision(number: int, **changes: Any) -> Decision:
    known: dict[str, Any] = {
        "trigger": "user_delete",
        "action": "erase",
        "store": "primary",
        "kind": "transcript",
        "rule": "amazon-2019 rule 1 (user_delete: erase; L2)",
        "subjects": tuple((ACCOUNTS[number % 2], name) for name in INTERACTIONS[2 * number : 2 * number + 2]),
        "records": number,
        "cause": f"deletion-{number}",
    }
    return Decision(**known | changes)


def write(stores: Stores, keys: Keys, count: int = ENTRIES) -> None:
    """So many entries: the first half one by one, the others in one transaction."""
    for number in range(count // 2):
        with stores.write() as connection:
            ledger.append(connection, keys, AT, [decision(number)])
    with stores.write() as connection:
        ledger.append(connection, keys, AT, [decision(number) for number in range(count // 2, count)])


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    it = Stores(tmp_path)
    yield it
    it.close()


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    it = Keys(tmp_path)
    yield it
    it.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """A ledger that tests change within a transaction and leave as it was."""
    folder = tmp_path_factory.mktemp("ledger")
    stores, keys = Stores(folder), Keys(folder)
    write(stores, keys)
    yield stores
    keys.close()
    stores.close()


class Undo(Exception):
    """Rolls a transaction back."""


def breaks_after(stores: Stores, *statements: tuple[str, tuple[Any, ...]]) -> list[str]:
    """What `verify` says once the statements have been carried out; then they are undone."""
    found: list[str] = []
    with suppress(Undo), stores.write() as connection:
        for sql, values in statements:
            connection.exec_driver_sql(sql, values)
        found = list(ledger.verify(connection))
        raise Undo
    return found


def rows(connection: Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(select(entries).order_by(entries.c.seq)).mappings()]


def test_an_untouched_chain_verifies(written: Stores) -> None:
    with written.read() as connection:
        assert connection.execute(select(func.count()).select_from(entries)).scalar() == ENTRIES
        assert list(ledger.verify(connection)) == []


def test_an_empty_chain_verifies(stores: Stores) -> None:
    with stores.read() as connection:
        assert list(ledger.verify(connection)) == []


def test_the_chain_goes_on_after_closing(tmp_path: Path) -> None:
    for _ in range(2):
        stores, keys = Stores(tmp_path), Keys(tmp_path)
        write(stores, keys)
        keys.close()
        stores.close()
    stores = Stores(tmp_path)
    with stores.read() as connection:
        assert [row["seq"] for row in rows(connection)] == list(range(1, 2 * ENTRIES + 1))
        assert list(ledger.verify(connection)) == []
    stores.close()


def test_an_entry_says_what_was_decided_in_these_words(written: Stores, tmp_path: Path) -> None:
    with written.read() as connection:
        first = rows(connection)[0]
    assert {name: first[name] for name in ("seq", "at", "trigger", "action", "store", "kind", "rule", "records")} == {
        "seq": 1,
        "at": "2026-11-23T10:00:00.000000Z",
        "trigger": "user_delete",
        "action": "erase",
        "store": "primary",
        "kind": "transcript",
        "rule": "amazon-2019 rule 1 (user_delete: erase; L2)",
        "records": 0,
    }
    assert (first["previous"], len(first["hash"]), len(first["interactions"].split())) == ("0" * 64, 64, 2)


@given(column=st.sampled_from(COLUMNS), number=st.integers(1, ENTRIES), data=st.data())
def test_a_change_of_any_column_of_any_entry_is_found(
    written: Stores, column: str, number: int, data: st.DataObject
) -> None:
    with written.read() as connection:
        before = rows(connection)[number - 1][column]
    after: Any
    value: Any
    if column == "interactions":
        after = value = " ".join(data.draw(PSEUDONYMS))
    else:
        after = value = data.draw(st.integers(-(2**40), 2**40) if column in NUMBERS else WORDS)
    assume(after != before)
    # Two entries cannot have one number: SQLite itself refuses that.
    assume(column != "seq" or not 1 <= after <= ENTRIES)
    assert breaks_after(written, (f"UPDATE main.entry SET {column} = ? WHERE seq = ?", (value, number)))


@given(column=st.sampled_from(COLUMNS), number=st.integers(1, ENTRIES), data=st.data())
def test_a_change_of_one_letter_is_found(written: Stores, column: str, number: int, data: st.DataObject) -> None:
    assume(column not in {*NUMBERS, "interactions"})
    with written.read() as connection:
        text = rows(connection)[number - 1][column]
    place = data.draw(st.integers(0, len(text)))
    letter = data.draw(st.sampled_from("0aZ \n"))
    changed = text[:place] + letter + text[place + data.draw(st.integers(0, 1)) :]
    assume(changed != text)
    assert breaks_after(written, (f"UPDATE main.entry SET {column} = ? WHERE seq = ?", (changed, number)))


@pytest.mark.parametrize("number", range(1, ENTRIES))
def test_an_entry_taken_out_is_found_where_it_is_missing(written: Stores, number: int) -> None:
    taken_out = ("DELETE FROM main.entry WHERE seq = ?", (number,))
    assert breaks_after(written, taken_out) == [f"entry {number + 1} does not follow the one before it"]


@pytest.mark.parametrize("number", range(1, ENTRIES))
def test_an_entry_taken_out_is_found_though_the_others_close_the_gap(written: Stores, number: int) -> None:
    taken_out = ("DELETE FROM main.entry WHERE seq = ?", (number,))
    moved_up = [("UPDATE main.entry SET seq = ? WHERE seq = ?", (seq - 1, seq)) for seq in range(number + 1, 13)]
    assert f"entry {number} does not follow the one before it" in breaks_after(written, taken_out, *moved_up)


def forged(row: dict[str, Any], **changes: Any) -> tuple[str, tuple[Any, ...]]:
    """An INSERT of the row with changes, its own hash made right."""
    row = row | changes
    row["hash"] = ledger._hash(row)
    names = ", ".join(row)
    return f"INSERT INTO main.entry ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values())


@given(number=st.integers(0, ENTRIES - 1), records=st.integers(0, 99))
def test_an_entry_put_in_between_is_found_even_with_a_right_hash_of_its_own(
    written: Stores, number: int, records: int
) -> None:
    with written.read() as connection:
        known = rows(connection)
    previous = known[number - 1]["hash"] if number else ledger.START
    moved_down = [("UPDATE main.entry SET seq = ? WHERE seq = ?", (seq + 1, seq)) for seq in range(ENTRIES, number, -1)]
    put_in = forged(known[0], seq=number + 1, previous=previous, records=records)
    assert breaks_after(written, *moved_down, put_in)


@given(number=st.integers(1, ENTRIES - 1), records=st.integers(100, 200))
def test_an_entry_replaced_is_found_even_with_a_right_hash_of_its_own(
    written: Stores, number: int, records: int
) -> None:
    with written.read() as connection:
        row = rows(connection)[number - 1]
    replaced = forged(row, records=records)
    found = breaks_after(written, ("DELETE FROM main.entry WHERE seq = ?", (number,)), replaced)
    assert found == [f"entry {number + 1} does not follow the one before it"]


def test_a_gap_before_the_last_entry_is_found_even_with_a_right_hash(written: Stores) -> None:
    with written.read() as connection:
        last = rows(connection)[-1]
    replaced = forged(last, seq=ENTRIES + 1)
    found = breaks_after(written, ("DELETE FROM main.entry WHERE seq = ?", (ENTRIES,)), replaced)
    assert found == [f"entry {ENTRIES + 1} does not follow the one before it"]


@given(st.permutations(range(1, ENTRIES + 1)))
def test_entries_in_another_order_are_found(written: Stores, order: list[int]) -> None:
    assume(order != sorted(order))
    aside = [("UPDATE main.entry SET seq = ? WHERE seq = ?", (-seq, seq)) for seq in order]
    back = [("UPDATE main.entry SET seq = ? WHERE seq = ?", (place, -seq)) for place, seq in enumerate(order, 1)]
    assert breaks_after(written, *aside, *back)


@pytest.mark.parametrize(
    ("column", "value"),
    [("interactions", "no list"), ("rule", b"\x00"), ("interactions", "")],
    ids=["no pseudonyms", "bytes", "nothing"],
)
def test_a_change_to_what_cannot_even_be_read_is_found(written: Stores, column: str, value: object) -> None:
    assert breaks_after(written, (f"UPDATE main.entry SET {column} = ? WHERE seq = 3", (value,)))


def test_a_changed_ledger_fails_verification_on_the_command_line(tmp_path: Path) -> None:
    stores, keys = Stores(tmp_path), Keys(tmp_path)
    write(stores, keys)
    keys.close()
    stores.close()
    assert cloud_stub("ledger", "verify", "--data", tmp_path).returncode == 0
    with closing(sqlite3.connect(tmp_path / "cloud" / "ledger.db")) as connection, connection:
        connection.execute("UPDATE entry SET action = 'keep' WHERE seq = 5")
    done = cloud_stub("ledger", "verify", "--data", tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "entry 5 was changed after it was written")


def test_no_id_and_no_account_is_in_any_byte_of_the_ledger(stores: Stores, keys: Keys) -> None:
    write(stores, keys)
    content = [file.read_bytes() for file in stores.folder.glob("ledger.db*")]
    stores.checkpoint()
    content += [file.read_bytes() for file in stores.folder.glob("ledger.db*")]
    assert any(b"amazon-2019 rule 1" in part for part in content)
    for name in INTERACTIONS:
        forms = (name.encode(), name.replace("-", "").encode(), name.upper().encode(), uuid.UUID(name).bytes)
        assert not [form for form in forms if any(form in part for part in content)]
    assert not [account for account in ACCOUNTS if any(account.encode() in part for part in content)]


def test_a_transaction_that_fails_leaves_no_entry_and_no_gap(stores: Stores, keys: Keys) -> None:
    write(stores, keys)
    with suppress(Undo), stores.write() as connection:
        ledger.append(connection, keys, AT, [decision(0)])
        raise Undo
    write(stores, keys)
    with stores.read() as connection:
        assert list(ledger.verify(connection)) == []
        assert [row["seq"] for row in rows(connection)] == list(range(1, 2 * ENTRIES + 1))


def test_nothing_decided_is_nothing_written(stores: Stores, keys: Keys) -> None:
    with stores.write() as connection:
        ledger.append(connection, keys, AT, [])
        assert rows(connection) == []


def test_a_deletions_entries_are_found_by_their_cause(written: Stores) -> None:
    with written.read() as connection:
        assert ledger.holds(connection, "deletion-3")
        assert not ledger.holds(connection, "deletion-99")


@given(name=st.text(st.characters(exclude_categories=["Cs"])), other=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_pseudonym_is_stable_and_another_for_another_name_or_account(
    all_keys: tuple[Keys, Keys], name: str, other: str
) -> None:
    one, same = all_keys
    pseudonym = one.pseudonym("household", name)
    assert len(pseudonym) == 32
    assert set(pseudonym) <= set("0123456789abcdef")
    assert same.pseudonym("household", name) == pseudonym
    assert one.pseudonym("neighbours", name) != pseudonym
    assert (one.pseudonym("household", other) == pseudonym) == (name == other)


def test_a_pseudonym_is_an_hmac_under_the_accounts_key(tmp_path: Path, keys: Keys) -> None:
    shown = keys.pseudonym("household", INTERACTIONS[0])
    with closing(sqlite3.connect(tmp_path / "cloud" / "keys.db")) as file:
        ((key,),) = file.execute("SELECT key FROM account_key")
    assert shown == hmac.digest(key, INTERACTIONS[0].encode(), "sha256").hex()[:32]


@pytest.fixture(scope="module")
def all_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Keys, Keys]]:
    """Two connections to one file."""
    folder = tmp_path_factory.mktemp("keys")
    pair = Keys(folder), Keys(folder)
    yield pair
    for keys in pair:
        keys.close()


def test_pseudonyms_survive_closing(tmp_path: Path) -> None:
    seen = set()
    for _ in range(2):
        keys = Keys(tmp_path)
        seen.add(keys.pseudonym("household", INTERACTIONS[0]))
        keys.close()
    assert len(seen) == 1


def test_another_data_folder_gives_the_same_account_other_pseudonyms(tmp_path: Path) -> None:
    pair = Keys(tmp_path / "one"), Keys(tmp_path / "other")
    assert len({keys.pseudonym("household", INTERACTIONS[0]) for keys in pair}) == 2
    for keys in pair:
        keys.close()


def test_the_keys_are_in_a_file_of_their_own_that_only_its_owner_reads(stores: Stores, keys: Keys) -> None:
    write(stores, keys)
    files = list(stores.folder.glob("keys.db*"))
    assert files
    assert {file.stat().st_mode & 0o077 for file in files} == {0}
    with closing(sqlite3.connect(stores.folder / "keys.db")) as connection:
        key = connection.execute("SELECT key FROM account_key").fetchone()[0]
    assert len(key) == 32
    others = [file for file in stores.folder.iterdir() if not file.name.startswith("keys.db")]
    assert not [file.name for file in others if key in file.read_bytes()]


def test_a_destroyed_key_makes_the_accounts_pseudonyms_point_to_nobody(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    before = keys.pseudonym("household", INTERACTIONS[0]), keys.pseudonym("neighbours", INTERACTIONS[0])
    keys.close()
    with closing(sqlite3.connect(tmp_path / "cloud" / "keys.db")) as connection, connection:
        connection.execute("DELETE FROM account_key WHERE account = 'household'")
    keys = Keys(tmp_path)
    assert keys.pseudonym("household", INTERACTIONS[0]) != before[0]
    assert keys.pseudonym("neighbours", INTERACTIONS[0]) == before[1]
    keys.close()


def test_a_key_that_another_program_destroyed_is_not_used_again(tmp_path: Path) -> None:
    one, other = Keys(tmp_path), Keys(tmp_path)
    before = one.pseudonym("alice", "1")
    other.destroy("alice")
    after = one.pseudonym("alice", "1")
    assert before != after
    assert after == other.pseudonym("alice", "1")
    one.close()
    other.close()


def test_two_connections_that_make_the_same_accounts_key_at_once_get_one_key(tmp_path: Path) -> None:
    one, other = Keys(tmp_path), Keys(tmp_path)
    # Both find no key before either makes it.
    assert (one._cache, other._cache) == ({}, {})
    assert one.pseudonym("household", "x") == other.pseudonym("household", "x")
    for keys in (one, other):
        keys.close()


RACE = """
import json, sys
from pathlib import Path
from cloud_stub.stores.keys import Keys
print("ready", flush=True)
sys.stdin.readline()
keys = Keys(Path(sys.argv[1]))
print(json.dumps([keys.pseudonym(f"account-{number}", "x") for number in range(50)]))
"""


def race(folder: Path) -> list[list[str]]:
    """The pseudonyms that four processes got, which opened the keys and made all of them at the same moment."""
    command = [sys.executable, "-c", RACE, str(folder)]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    ends = [racer.communicate(timeout=60) for racer in racers]
    assert [errors for _, errors in ends] == [""] * 4
    return [json.loads(output) for output, _ in ends]


def test_processes_that_make_the_same_keys_at_once_agree(tmp_path: Path) -> None:
    Keys(tmp_path).close()
    answers = race(tmp_path)
    assert answers == [answers[0]] * 4
    assert len(set(answers[0])) == 50


def test_processes_that_open_a_new_data_folder_at_once_all_get_in(tmp_path: Path) -> None:
    for number in range(tenth(20)):
        answers = race(tmp_path / str(number))
        assert answers == [answers[0]] * 4
