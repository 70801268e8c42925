"""Stores keep what was committed, and forget physically: what is erased is in no byte of any file."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import JSON, Connection, Integer, LargeBinary, Table, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from cloud_stub.stores.repository import Stores
from cloud_stub.stores.sqlite import ErasureNotPhysical
from cloud_stub.stores.tables import RECORDS, STORES, fields
from tests.cloud_stub.house import neighbourhood

AT = "2026-11-23T10:00:00.000000Z"
FACT = RECORDS["actions", "fact"]
RECORDING = RECORDS["primary", "recording"]
TRANSCRIPT = RECORDS["primary", "transcript"]
RESPONSE = RECORDS["primary", "response"]


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    it = Stores(tmp_path)
    yield it
    it.close()


def record(interaction: str, **values: Any) -> dict[str, Any]:
    """A row of any record's table."""
    origin = {"account": "household", "interaction": interaction, "position": 0, "device": "kitchen"}
    return origin | {"at": AT, "received_at": AT} | values


def filled(table: Table, interaction: str, text: str) -> dict[str, Any]:
    """A row with that text in every field that can hold one."""
    values: dict[str, Any] = {}
    for name in fields(table):
        kind = table.c[name].type
        if isinstance(kind, LargeBinary):
            values[name] = text.encode()
        elif isinstance(kind, JSON):
            values[name] = [{"word": text}]
        elif not isinstance(kind, Integer):
            values[name] = text
    return record(interaction, **values)


def found(stores: Stores, *needles: str) -> set[tuple[str, str]]:
    """Which of the needles are in which files of the folder, logs included."""
    contents = {file.name: file.read_bytes() for file in stores.folder.iterdir()}
    return {(name, needle) for name, content in contents.items() for needle in needles if needle.encode() in content}


def count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar() or 0


def names(table: Table) -> str:
    return f"{table.schema}-{table.name}"


def test_every_store_is_a_file_of_its_own_that_only_its_owner_reads(stores: Stores) -> None:
    assert {file.name for file in stores.folder.glob("*.db")} == {
        "ledger.db",
        "primary.db",
        "subsystems.db",
        "actions.db",
        "commerce.db",
        "training.db",
        "witness.db",
        "operations.db",
    }
    assert stores.folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("table", RECORDS.values(), ids=names)
def test_a_record_is_in_its_stores_file_and_in_no_other(stores: Stores, table: Table) -> None:
    with stores.write() as connection:
        connection.execute(insert(table), [filled(table, "1", "the zebra is loose")])
    stores.checkpoint()
    assert found(stores, "the zebra is loose") == {(f"{table.schema}.db", "the zebra is loose")}


def test_the_ledger_is_committed_first_and_operations_last(stores: Stores) -> None:
    attached = [name for _, name, _ in stores._files.connection.execute("PRAGMA database_list")]
    assert attached == ["main", "primary", "subsystems", "actions", "commerce", "training", "witness", "operations"]
    assert stores._files.connection.execute("PRAGMA database_list").fetchone()[2].endswith("ledger.db")


def test_secure_delete_full_synchronous_and_a_log_are_in_force_on_every_attached_file(stores: Stores) -> None:
    attached = [name for _, name, _ in stores._files.connection.execute("PRAGMA database_list")]
    assert len(attached) == len(STORES)
    for pragma, value in (("secure_delete", 1), ("synchronous", 2), ("journal_mode", "wal")):
        in_force = {
            name: stores._files.connection.execute(f'PRAGMA "{name}".{pragma}').fetchone()[0] for name in attached
        }
        assert in_force == dict.fromkeys(attached, value)


@pytest.mark.parametrize("table", RECORDS.values(), ids=names)
def test_rows_survive_closing(tmp_path: Path, table: Table) -> None:
    row = filled(table, "1", "the zebra is loose")
    stores = Stores(tmp_path)
    with stores.write() as connection:
        connection.execute(insert(table), [row])
    stores.close()
    stores = Stores(tmp_path)
    with stores.read() as connection:
        kept = connection.execute(select(table)).mappings().one()
    assert {name: kept[name] for name in row} == row
    stores.close()


CRASH = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import insert
from cloud_stub.stores.repository import Stores
from tests.cloud_stub.test_stores import FACT, RECORDING, record
stores = Stores(Path(sys.argv[1]))
with stores.write() as connection:
    connection.execute(insert(FACT), [record("committed", text="kept")])
    connection.execute(insert(RECORDING), [record("committed", flac=b"kept" * 50_000)])
with stores.write() as connection:
    connection.execute(insert(FACT), [record("cut off", text="lost")])
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_committed_outlives_a_killed_process_and_what_was_not_does_not(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path)], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    stores = Stores(tmp_path)
    with stores.read() as connection:
        assert connection.execute(select(FACT.c.interaction)).scalars().all() == ["committed"]
        assert connection.execute(select(RECORDING.c.flac)).scalars().all() == [b"kept" * 50_000]
    stores.close()


LONG = {"small": 1, "of a page": 200, "with overflow pages": 12_000}  # times 17 bytes: the last are 200 kB


@pytest.mark.parametrize("logged", [True, False], ids=["still in the log", "already in the file"])
@pytest.mark.parametrize("times", LONG.values(), ids=LONG)
@pytest.mark.parametrize("table", RECORDS.values(), ids=names)
def test_no_byte_of_an_erased_row_is_in_any_file(stores: Stores, table: Table, times: int, logged: bool) -> None:
    erased, kept = (
        [f"erased row {number:06}" for number in range(8)],
        [f"a kept row {number:06}" for number in range(8)],
    )
    with stores.write() as connection:
        for number in range(8):
            rows = [filled(table, f"{text}-id", text * times) for text in (erased[number], kept[number])]
            connection.execute(insert(table), rows)
    if not logged:
        stores.checkpoint()
    assert {needle for _, needle in found(stores, *erased)} == set(erased)
    with stores.write() as connection:
        connection.execute(delete(table).where(table.c.interaction.in_([f"{text}-id" for text in erased])))
    stores.checkpoint()
    assert found(stores, *erased) == set()
    assert {needle for _, needle in found(stores, *kept)} == set(kept)


@pytest.mark.parametrize("times", LONG.values(), ids=LONG)
@pytest.mark.parametrize("table", [RECORDS["actions", "message"], TRANSCRIPT, RECORDING], ids=names)
def test_no_byte_of_a_redacted_field_is_in_any_file(stores: Stores, table: Table, times: int) -> None:
    with stores.write() as connection:
        rows = [filled(table, str(number), f"redacted {number:08}" * times) for number in range(8)]
        connection.execute(insert(table), rows)
    stores.checkpoint()
    redacted = [f"redacted {number:08}" for number in range(0, 8, 2)]
    with stores.write() as connection:
        where = table.c.interaction.in_([str(number) for number in range(0, 8, 2)])
        connection.execute(update(table).where(where).values(dict.fromkeys(fields(table))))
    stores.checkpoint()
    assert found(stores, *redacted) == set()
    with stores.read() as connection:
        assert count(connection, table) == 8
    kept = [f"redacted {number:08}" for number in range(1, 8, 2)]
    assert {needle for _, needle in found(stores, *kept)} == set(kept)


def test_before_the_checkpoint_the_log_still_holds_what_was_erased(stores: Stores) -> None:
    # Why `checkpoint` exists: should this ever fail, it has become unnecessary.
    with stores.write() as connection:
        connection.execute(insert(FACT), [record("1", text="the zebra is loose")])
    with stores.write() as connection:
        connection.execute(delete(FACT))
    assert found(stores, "the zebra is loose") == {("actions.db-wal", "the zebra is loose")}


def test_an_erasure_that_spans_all_stores_leaves_every_log_empty(stores: Stores) -> None:
    with stores.write() as connection:
        for table in RECORDS.values():
            connection.execute(insert(table), [filled(table, "1", "the zebra is loose")])
    with stores.write() as connection:
        for table in RECORDS.values():
            connection.execute(delete(table))
    stores.checkpoint()
    assert {file.stat().st_size for file in stores.folder.glob("*.db-wal")} == {0}
    assert found(stores, "the zebra is loose") == set()


def test_logs_are_written_back_one_at_a_step_the_longest_first(stores: Stores) -> None:
    def logs() -> dict[str, int]:
        sizes = {store: file.with_name(file.name + "-wal").stat().st_size for store, file in stores.files.items()}
        return {store: size for store, size in sizes.items() if size}

    stores.checkpoint()
    with stores.write() as connection:
        for table, times in ((FACT, 1), (TRANSCRIPT, 300), (RECORDS["subsystems", "transcript"], 100)):
            connection.execute(insert(table), [filled(table, f"i{number}", "walnuts") for number in range(times)])
    assert list(logs()) == ["primary", "subsystems", "actions"]
    assert stores.shorten()
    assert list(logs()) == ["subsystems", "actions"]
    assert stores.shorten()
    assert list(logs()) == ["actions"]
    assert not stores.shorten()
    assert list(logs()) == ["actions"]


def test_no_byte_of_an_erased_row_is_left_however_often_its_page_was_split(tmp_path: Path) -> None:
    assert residue_of_a_busy_table(tmp_path, vacuum=False) == {}


def test_a_vacuum_leaves_no_byte_of_an_erased_row_however_often_its_page_was_split(tmp_path: Path) -> None:
    assert residue_of_a_busy_table(tmp_path, vacuum=True) == {}


def residue_of_a_busy_table(folder: Path, *, vacuum: bool) -> dict[int, set[tuple[str, str]]]:
    """Insert and erase as households do, one in time order after the other; by seed, what is left of the erased."""
    residue: dict[int, set[tuple[str, str]]] = {}
    for seed in range(8):
        random, stores = Random(seed), Stores(folder / str(seed))
        for name in STORES[1:]:
            stores._files.connection.execute(f'PRAGMA "{name}".synchronous=off')  # no power cut here, only many commits
        live: list[str] = []
        erased: list[str] = []
        for _ in range(25):
            heard = [f"<{len(live) + len(erased) + number:08}>" for number in range(random.randrange(1, 20))]
            live += heard
            gone = random.sample(live, min(len(live), random.choice([0, 0, 1, 3, 20])))
            live = [text for text in live if text not in gone]
            erased += gone
            with stores.write() as connection:
                for table in (FACT, RESPONSE):
                    rows = [record(text, text=text * random.choice([1, 5, 20, 60])) for text in heard]
                    connection.execute(insert(table), rows)
                    connection.execute(delete(table).where(table.c.interaction.in_(gone)))
        if vacuum:
            for name in ("primary", "actions"):
                stores._files.connection.execute(f'VACUUM "{name}"')
        stores.checkpoint()
        left = found(stores, *erased)
        residue |= {seed: left} if left else {}
        stores.close()
    return residue


READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
print(connection.execute("SELECT count(*) FROM fact").fetchone()[0], flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
connection.close()
"""


def test_while_another_process_reads_an_erasure_is_not_called_physical(stores: Stores, tmp_path: Path) -> None:
    with stores.write() as connection:
        connection.execute(insert(FACT), [record("1", text="the zebra is loose")])
    command = [sys.executable, "-c", READER, str(stores.files["actions"])]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader,
    ):
        assert reader.stdout is not None
        assert reader.stdout.readline() == "1\n"
        with stores.write() as connection:
            connection.execute(delete(FACT))
        with pytest.raises(ErasureNotPhysical, match=r"another program is reading the stores.* Close it"):
            stores._files.checkpoint(patience_s=0.05)
        assert found(stores, "the zebra is loose")
        reader.communicate("\n", timeout=30)
        stores._files.checkpoint(patience_s=0.05)
        assert found(stores, "the zebra is loose") == set()


def test_a_reader_of_any_store_holds_up_the_erasure_and_its_end_lets_it_finish(tmp_path: Path) -> None:
    stores = Stores(tmp_path)
    with closing(sqlite3.connect(stores.files["primary"])) as reader:
        with stores.write() as connection:
            connection.execute(insert(RECORDING), [record("1", flac=b"the sound of it" * 10_000)])
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM recording").fetchone() == (1,)
        with stores.write() as connection:
            connection.execute(delete(RECORDING))
        with pytest.raises(ErasureNotPhysical):
            stores._files.checkpoint(patience_s=0.05)
        reader.execute("ROLLBACK")
        stores._files.checkpoint(patience_s=0.05)
        assert found(stores, "the sound of it") == set()
    stores.close()


@pytest.mark.parametrize("pieces", [1, 200], ids=["small", "larger than the page cache"])
def test_a_transaction_that_fails_leaves_nothing_in_any_store(stores: Stores, pieces: int) -> None:
    with stores.write() as connection:
        connection.execute(insert(FACT), [record("before", text="kept")])
    with suppress(ZeroDivisionError), stores.write() as connection:
        for table in RECORDS.values():
            rows = [filled(table, f"{number}", "the zebra is loose" * 100 * pieces) for number in range(3)]
            connection.execute(insert(table), rows)
        connection.execute(delete(FACT).where(FACT.c.interaction == "before"))
        raise ZeroDivisionError
    with stores.read() as connection:
        counts = {f"{store}/{kind}": count(connection, table) for (store, kind), table in RECORDS.items()}
    assert counts == dict.fromkeys(counts, 0) | {"actions/fact": 1}
    stores.checkpoint()
    assert found(stores, "the zebra is loose") == set()


def test_a_statement_that_fails_undoes_its_whole_transaction(stores: Stores) -> None:
    with pytest.raises(IntegrityError), stores.write() as connection:
        connection.execute(insert(FACT), [record("1"), record("2"), record("1")])
    with stores.write() as connection:
        assert count(connection, FACT) == 0


def test_the_stores_work_on_after_a_failed_transaction(stores: Stores) -> None:
    with suppress(ZeroDivisionError), stores.write():
        raise ZeroDivisionError
    with stores.write() as connection:
        connection.execute(insert(FACT), [record("1", text="kept")])
    with stores.read() as connection:
        assert count(connection, FACT) == 1


WRITER = """
import sys
from pathlib import Path
from sqlalchemy import insert
from cloud_stub.stores.repository import Stores
from tests.cloud_stub.test_stores import FACT, RESPONSE, count, record
stores = Stores(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(100):
    with stores.write() as connection:
        before = count(connection, FACT)
        connection.execute(insert(FACT), [record(f"{sys.argv[2]}-{number:03}", text=str(before))])
        connection.execute(insert(RESPONSE), [record(f"{sys.argv[2]}-{number:03}", text=str(before))])
stores.close()
"""


def test_two_processes_that_write_at_once_lose_no_row_and_see_each_others(stores: Stores, tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "other")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    ends = [writer.communicate(timeout=90) for writer in writers]
    assert [errors for _, errors in ends] == ["", ""]
    expected = sorted(f"{name}-{number:03}" for name in ("one", "other") for number in range(100))
    with stores.read() as connection:
        for table in (FACT, RESPONSE):
            rows = connection.execute(select(table.c.interaction, table.c.text).order_by(table.c.interaction)).all()
            assert [row.interaction for row in rows] == expected
            # Each read, then wrote, under one lock: no two saw the same number of rows.
            assert sorted(int(row.text) for row in rows) == list(range(200))


def test_a_reader_sees_one_moment_of_every_store(stores: Stores, tmp_path: Path) -> None:
    other = Stores(tmp_path)
    with stores.read() as connection:
        assert count(connection, FACT) == 0
        assert count(connection, RESPONSE) == 0
        with other.write() as writing:
            writing.execute(insert(FACT), [record("1")])
            writing.execute(insert(RESPONSE), [record("1")])
        assert (count(connection, FACT), count(connection, RESPONSE)) == (0, 0)
    with stores.read() as connection:
        assert (count(connection, FACT), count(connection, RESPONSE)) == (1, 1)
    other.close()


def test_a_folder_that_cannot_be_made_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "cloud").write_text("not a folder")
    with pytest.raises(OSError, match="cloud"):
        Stores(tmp_path)


def test_a_log_that_a_power_cut_has_torn_holes_into_does_not_stop_the_next_start(tmp_path: Path) -> None:
    with neighbourhood(tmp_path) as cloud:
        said = cloud.say("remember that I am allergic to walnuts")
    # The file has grown, and of what was written into it nothing has reached the disk.
    (tmp_path / "cloud/primary.db-wal").write_bytes(bytes(32 + 3 * (24 + 4096)))
    with neighbourhood(tmp_path) as cloud:
        assert [row["id"] for row in cloud.history()] == [said]
