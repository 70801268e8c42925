"""Stores in PostgreSQL keep what SQLite's keep: committed rows, one writer, one moment for a reader, no residue."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from cloud_stub.contract.extras import install
from cloud_stub.errors import CloudError
from cloud_stub.stores import address
from cloud_stub.stores import postgres as storage
from cloud_stub.stores.repository import Stores, insert_missing
from cloud_stub.stores.sqlite import ErasureNotPhysical
from cloud_stub.stores.tables import RECORDS, STORES, metadata
from tests.cloud_stub.house import neighbourhood, sealed
from tests.cloud_stub.test_quarantine import held, kept, overflowed, reject
from tests.cloud_stub.test_stores import FACT, RECORDING, RESPONSE, count, filled, record
from tests.processes import free_port, until
from tests.real.postgres import PASSWORD, Server


@pytest.fixture(scope="module")
def one_database(postgres: Server) -> str:
    return postgres.database()


@pytest.fixture
def url(postgres: Server, one_database: str) -> str:
    """The address of an empty database."""
    for store in STORES:
        postgres.execute(f'DROP SCHEMA IF EXISTS "{store}" CASCADE', database(one_database))
    return one_database


@pytest.fixture
def stores(tmp_path: Path, url: str) -> Iterator[Stores]:
    it = Stores(tmp_path, address.parse(url))
    yield it
    it.close()


def again(stores: Stores, url: str) -> Stores:
    """A second connection to the same stores."""
    return Stores(stores.folder.parent, address.parse(url))


def residue(postgres: Server, *needles: str) -> set[str]:
    """Which of the needles are in any file of any table or index."""
    contents = postgres.files("base").values()
    return {needle for needle in needles if any(needle.encode() in content for content in contents)}


def test_every_store_is_a_schema_of_its_own(stores: Stores, postgres: Server, url: str) -> None:
    query = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|public|information_schema)'"
    assert {name for (name,) in postgres.execute(query, database(url))} == set(STORES)
    assert [file.name for file in stores.folder.iterdir()] == []


def test_an_index_of_a_part_of_the_rows_is_one_here_too(stores: Stores, postgres: Server, url: str) -> None:
    query = "SELECT indexname FROM pg_indexes WHERE indexdef LIKE '% WHERE %'"
    tables = metadata.tables.values()
    parts = {i.name for table in tables for i in table.indexes if i.dialect_options["sqlite"]["where"] is not None}
    assert parts
    assert {name for (name,) in postgres.execute(query, database(url))} == parts


def database(url: str) -> str:
    return url.rpartition("/")[2]


def test_a_row_comes_back_as_it_was(stores: Stores, url: str) -> None:
    rows = {table: filled(table, "1", "walnuts \N{PEANUTS} \x01\x7f\u2028\ufffe") for table in RECORDS.values()}
    with stores.write() as connection:
        for table, row in rows.items():
            connection.execute(insert(table), [row])
    stores.close()
    stores = again(stores, url)
    with stores.read() as connection:
        for table, row in rows.items():
            kept = connection.execute(select(table)).mappings().one()
            assert {name: kept[name] for name in row} == row
    stores.close()


def test_text_is_compared_byte_by_byte_as_on_sqlite(stores: Stores, postgres: Server, url: str) -> None:
    names = ["b", "A", "~a", "a", "B", "-1", "1", "\N{LATIN SMALL LETTER A WITH ACUTE}"]
    with stores.write() as connection:
        connection.execute(insert(FACT), [record(name) for name in names])
    with stores.read() as connection:
        sorted_by_database = connection.execute(select(FACT.c.interaction).order_by(FACT.c.interaction)).scalars().all()
        above = connection.execute(select(FACT.c.interaction).where(FACT.c.interaction > "a")).scalars().all()
    assert sorted_by_database == sorted(names, key=str.encode)
    assert set(above) == {name for name in names if name.encode() > b"a"}
    columns = (
        "SELECT collation_name FROM information_schema.columns WHERE data_type = 'text' AND table_name <> 'untidy'"
    )
    schemas = ", ".join(f"'{store}'" for store in STORES)
    collations = postgres.execute(f"{columns} AND table_schema IN ({schemas})", database(url))
    assert len(collations) > 100
    assert set(collations) == {("C",)}


def test_what_is_there_already_is_left_alone(stores: Stores) -> None:
    for text in ("first", "second"):
        with stores.write() as connection:
            connection.execute(insert_missing(connection, FACT), [record("1", text=text), record(text, text=text)])
    with stores.read() as connection:
        found = connection.execute(select(FACT.c.interaction, FACT.c.text).order_by(FACT.c.interaction)).all()
    assert [tuple(row) for row in found] == [("1", "first"), ("first", "first"), ("second", "second")]


def test_a_transaction_that_fails_leaves_nothing_in_any_store(stores: Stores) -> None:
    with suppress(ZeroDivisionError), stores.write() as connection:
        for table in RECORDS.values():
            connection.execute(insert(table), [filled(table, "1", "lost")])
        raise ZeroDivisionError
    with pytest.raises(IntegrityError), stores.write() as connection:
        connection.execute(insert(FACT), [record("2"), record("2")])
    with stores.write() as connection:
        assert {count(connection, table) for table in RECORDS.values()} == {0}


CRASH = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import delete, insert
from cloud_stub.stores.address import parse
from cloud_stub.stores.repository import Stores
from tests.cloud_stub.test_stores import FACT, record
stores = Stores(Path(sys.argv[1]), parse(sys.argv[2]))
with stores.write() as connection:
    connection.execute(insert(FACT), [record("kept", text="kept"), record("erased", text="the zebra is loose")])
with stores.write() as connection:
    connection.execute(delete(FACT).where(FACT.c.interaction == "erased"))
with stores.write() as connection:
    connection.execute(insert(FACT), [record("cut off", text="lost")])
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_after_a_kill_what_was_committed_is_there_and_what_was_erased_is_cleared_by_the_next(
    postgres: Server, url: str, tmp_path: Path
) -> None:
    done = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path), url], capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    assert residue(postgres, "the zebra is loose") == {"the zebra is loose"}
    stores = Stores(tmp_path, address.parse(url))
    with stores.read() as connection:
        assert connection.execute(select(FACT.c.interaction)).scalars().all() == ["kept"]
    stores.checkpoint()
    assert residue(postgres, "the zebra is loose", "kept") == {"kept"}
    stores.close()


@pytest.mark.parametrize("times", [1, 200, 12_000], ids=["small", "of a page", "toasted"])
def test_no_byte_of_an_erased_or_redacted_row_is_in_any_table(stores: Stores, postgres: Server, times: int) -> None:
    erased = [f"erased row {number:06}" for number in range(8)]
    kept = [f"a kept row {number:06}" for number in range(8)]
    tables = [FACT, RECORDING, RESPONSE]
    with stores.write() as connection:
        for number in range(8):
            for table in tables:
                rows = [filled(table, f"{text}-id", text * times) for text in (erased[number], kept[number])]
                connection.execute(insert(table), rows)
    assert residue(postgres, *erased) == set(erased)
    with stores.write() as connection:
        for table in (FACT, RECORDING):
            connection.execute(delete(table).where(table.c.interaction.in_([f"{text}-id" for text in erased])))
        mine = RESPONSE.c.interaction.startswith("erased")
        renamed = func.replace(RESPONSE.c.interaction, "erased row", "~")
        connection.execute(update(RESPONSE).where(mine).values(text=None, intent=None, interaction=renamed))
    stores.checkpoint()
    assert residue(postgres, *erased) == set()
    # A long text is stored compressed, and is none that a search finds.
    assert times > 1000 or residue(postgres, *kept) == set(kept)
    with stores.read() as connection:
        assert count(connection, RECORDING) == 8


def test_in_a_large_table_bytes_of_erased_rows_may_stay_which_is_what_sealing_is_for(
    stores: Stores, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Should this ever fail, VACUUM FULL has become unnecessary.
    monkeypatch.setattr(storage, "SMALL", 0)
    names = [f"<{number:06}>" for number in range(100)]
    with stores.write() as connection:
        connection.execute(insert(FACT), [record(f"id{name}", text=f"words{name}") for name in names])
    with stores.write() as connection:
        connection.execute(delete(FACT).where(FACT.c.interaction.in_([f"id{name}" for name in names[::2]])))
    stores.checkpoint()
    assert residue(postgres, *(f"words{name}" for name in names[::2])) != set()


def test_a_reader_holds_up_the_erasure_and_its_end_lets_it_finish(stores: Stores, postgres: Server, url: str) -> None:
    with stores.write() as connection:
        connection.execute(insert(FACT), [record("1", text="the zebra is loose")])
    with psycopg.connect(url) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT 1").fetchone()
        with stores.write() as connection:
            connection.execute(delete(FACT))
        with pytest.raises(ErasureNotPhysical, match=r"another program is reading the database.* End its transaction"):
            stores._files.checkpoint(patience_s=0.05)
        assert residue(postgres, "the zebra is loose")
        reader.rollback()
        stores._files.checkpoint(patience_s=0.05)
        assert residue(postgres, "the zebra is loose") == set()


def test_a_table_that_somebody_reads_is_waited_for_and_writers_go_on(
    stores: Stores, postgres: Server, url: str
) -> None:
    with stores.write() as connection:
        connection.execute(insert(FACT), [record("1"), record("2")])
    with stores.write() as connection:
        connection.execute(delete(FACT).where(FACT.c.interaction == "1"))
    with psycopg.connect(url) as reader:
        reader.execute("SELECT * FROM actions.fact").fetchall()
        other = again(stores, url)
        with ThreadPoolExecutor(1) as apart:
            clearing = apart.submit(stores._files.checkpoint, patience_s=20)
            until(lambda: postgres.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"), "the clearing")
            with other.write() as connection:
                connection.execute(insert(FACT), [record("3")])
            assert not clearing.done(), "the writer had to wait until it was given up"
            reader.rollback()
            clearing.result(timeout=60)
        other.close()
    with stores.read() as connection:
        assert count(connection, FACT) == 2


def test_nothing_is_cleared_where_nothing_was_erased(stores: Stores, postgres: Server, url: str) -> None:
    with stores.write() as connection:
        connection.execute(insert(FACT), [record("1")])
        connection.execute(delete(FACT).where(FACT.c.interaction == "2"))
    before = postgres.execute("SELECT pg_relation_filepath('actions.fact')", database(url))
    stores.checkpoint()
    assert postgres.execute("SELECT pg_relation_filepath('actions.fact')", database(url)) == before
    with stores.write() as connection:
        connection.execute(delete(FACT).where(FACT.c.interaction == "1"))
    stores.checkpoint()
    assert postgres.execute("SELECT pg_relation_filepath('actions.fact')", database(url)) != before


WRITER = """
import sys
from pathlib import Path
from sqlalchemy import insert
from cloud_stub.stores.address import parse
from cloud_stub.stores.repository import Stores
from tests.cloud_stub.test_stores import FACT, RESPONSE, count, record
sys.stdin.readline()
stores = Stores(Path(sys.argv[1]), parse(sys.argv[2]))
for number in range(100):
    with stores.write() as connection:
        before = count(connection, FACT)
        connection.execute(insert(FACT), [record(f"{sys.argv[3]}-{number:03}", text=str(before))])
        connection.execute(insert(RESPONSE), [record(f"{sys.argv[3]}-{number:03}", text=str(before))])
stores.close()
"""


def test_processes_that_open_and_write_at_once_lose_no_row_and_see_each_others(url: str, tmp_path: Path) -> None:
    names = ("one", "other", "third")
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), url, name],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    assert [writer.communicate(timeout=90)[1] for writer in writers] == [""] * 3
    expected = sorted(f"{name}-{number:03}" for name in names for number in range(100))
    stores = Stores(tmp_path, address.parse(url))
    with stores.read() as connection:
        for table in (FACT, RESPONSE):
            rows = connection.execute(select(table.c.interaction, table.c.text).order_by(table.c.interaction)).all()
            assert [row.interaction for row in rows] == expected
            # Each read, then wrote, under one lock: no two saw the same number of rows.
            assert sorted(int(row.text) for row in rows) == list(range(300))
    stores.close()


def test_a_reader_sees_one_moment_of_every_store_and_cannot_write(stores: Stores, url: str) -> None:
    other = again(stores, url)
    with stores.read() as connection:
        assert count(connection, FACT) == 0
        with other.write() as writing:
            writing.execute(insert(FACT), [record("1")])
            writing.execute(insert(RESPONSE), [record("1")])
        assert (count(connection, FACT), count(connection, RESPONSE)) == (0, 0)
        with pytest.raises(Exception, match="read-only transaction"):
            connection.execute(delete(FACT))
    with stores.read() as connection:
        assert (count(connection, FACT), count(connection, RESPONSE)) == (1, 1)
    other.close()


def test_a_commit_is_durable_whatever_the_servers_default(postgres: Server, tmp_path: Path) -> None:
    url = postgres.database()
    postgres.execute(f'ALTER DATABASE "{database(url)}" SET synchronous_commit = off')
    postgres.execute(f"ALTER DATABASE \"{database(url)}\" SET default_transaction_isolation = 'repeatable read'")
    stores = Stores(tmp_path, address.parse(url))
    with stores.write() as connection:
        assert connection.execute(select(func.current_setting("synchronous_commit"))).scalar() == "on"
        assert connection.execute(select(func.current_setting("transaction_isolation"))).scalar() == "read committed"
    stores.close()


def complaint(folder: Path, url: str) -> str:
    with pytest.raises(CloudError) as caught:
        Stores(folder, address.parse(url))
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def test_what_is_wrong_with_a_server_is_said_in_one_line_with_the_remedy(postgres: Server, tmp_path: Path) -> None:
    port = free_port()
    nobody = complaint(tmp_path, f"postgresql://echo:{PASSWORD}@127.0.0.1:{port}/house")
    assert f"127.0.0.1:{port}/house" in nobody
    assert "Is the server running" in nobody
    assert "createdb" in complaint(tmp_path, postgres.url("nowhere"))
    assert "PGPASSWORD" in complaint(tmp_path, postgres.url("postgres", password="guess"))
    assert "PGPASSWORD" in complaint(tmp_path, postgres.url("postgres", password=None))
    assert "GRANT CREATE ON DATABASE" in complaint(tmp_path, postgres.url("postgres"))
    encoded = postgres.database("ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0")
    assert "createdb -E UTF8" in complaint(tmp_path, encoded)


@pytest.mark.parametrize(
    "given", ["postgres", "mysql://host/house", "postgresql:///", "postgresql://a:secret@host:x/house", "sqlite:///x"]
)
def test_an_address_that_is_none_is_refused_without_showing_a_password(given: str) -> None:
    with pytest.raises(CloudError, match="postgresql://USER@HOST:PORT/DATABASE") as caught:
        address.parse(given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://echo:secret@host:5433/house",
        "postgresql://echo@host:5433/house?password=secret",
        "postgresql+psycopg://echo:secret@host:5433/house?sslpassword=secret",
    ],
)
def test_the_folder_remembers_the_database_without_the_password(tmp_path: Path, given: str) -> None:
    address.remember(tmp_path, address.parse(given))
    assert (tmp_path / "store").read_text() == "postgresql://echo@host:5433/house\n"
    found = address.of_folder(tmp_path, None)
    assert found is not None
    assert address.shown(found) == "postgresql://echo@host:5433/house"


def test_stores_that_are_files_are_not_left_behind_unnoticed(tmp_path: Path) -> None:
    Stores(tmp_path).close()
    with pytest.raises(CloudError, match=r"SQLite files.*--data"):
        address.of_folder(tmp_path / "cloud", "postgresql://host/house")


def test_without_the_driver_the_complaint_names_the_command(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from pathlib import Path\n"
        "from cloud_stub.cli import main\n"
        f"sys.exit(main(['serve', '--data', {str(tmp_path)!r}, '--store', 'postgresql://host/house']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert install("postgres") in done.stderr


def test_quarantine_has_its_limit_here_too(tmp_path: Path, url: str) -> None:
    with neighbourhood(tmp_path / "data", sealed(tmp_path), store=url, quarantine_bytes=6000) as cloud:
        for number in range(6):
            reject(cloud, bytes([65 + number]) * 2000)
        assert [payload[:1] for payload in kept(cloud)] == [b"E", b"F"]
        assert (held(cloud) <= 6000, overflowed(cloud)) == (True, 4)
