"""What is at a byte of an SQLite file: the reader's answer is SELECT's, for every word in every part of the file."""

import random
import re
import sqlite3
import struct
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from cloud_stub.residue.sqlite_file import InNoRow, InRow, SqliteFile
from cloud_stub.stores.btree_page import LEAF_INDEX, LEAF_TABLE, Unreadable
from cloud_stub.stores.repository import Stores
from cloud_stub.stores.tables import RECORDS
from tests.cloud_stub.residue.databases import SCHEMA, Database, Shape, check, check_tiling
from tests.processes import missing
from tests.soak import SOAK

AT = "2026-11-23T10:00:00.000000Z"

SHAPES = [
    Shape(512),
    Shape(512, "UTF-16le", auto_vacuum=1, reserved=32),
    Shape(1024, auto_vacuum=2, secure_delete=1),
    Shape(1024, "UTF-16be", auto_vacuum=2, reserved=8),
    Shape(4096),
    Shape(4096, auto_vacuum=1, secure_delete=1, reserved=32),
    Shape(65536, auto_vacuum=2),
]


def lived_in(path: Path, shape: Shape) -> Database:
    """A database with rows short and long, most of them changed or deleted since."""
    database = Database(path, shape)
    database.insert(shape.page_size // 8, rows=40)
    database.insert(shape.page_size * 3, rows=5)
    database.delete(0.3)
    database.update(shape.page_size // 2, 0.3)
    database.add_column()
    database.update(shape.page_size // 4, 0.1)
    return database


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, vars(shape).values())))
def test_every_word_is_where_select_says_and_no_deleted_word_is_in_a_row(tmp_path: Path, shape: Shape) -> None:
    database = lived_in(tmp_path / "words.db", shape)
    kinds = check(database)
    database.drop("plain")
    database.vacuum_a_little()
    kinds += check(database)
    database.connection.execute("ANALYZE")
    database.insert(shape.page_size // 10, rows=8)
    kinds += check(database)
    database.vacuum()
    kinds += check(database)
    assert kinds["in a row"] > 500
    # What is deleted was looked for where it was left, not only missed where it was not.
    left = {"unallocated", "free block"} | (set() if shape.auto_vacuum == 1 else {"free page"})
    assert shape.secure_delete or left <= set(kinds)
    assert kinds["on two pages"] or shape.page_size > 1024


OPERATIONS = st.one_of(
    st.tuples(st.just("insert"), st.integers(1, 4000), st.integers(1, 9)),
    st.tuples(st.just("insert"), st.integers(1, 200), st.integers(10, 30)),
    st.tuples(st.just("delete"), st.sampled_from([0.1, 0.5, 1.0])),
    st.tuples(st.just("update"), st.integers(1, 4000), st.sampled_from([0.1, 0.5])),
    st.tuples(st.just("drop"), st.sampled_from(["numbered", "plain", "keyed"])),
    st.tuples(st.sampled_from(["add_column", "reindex", "vacuum", "vacuum_a_little"])),
)
LAID_OUT = st.builds(
    Shape,
    page_size=st.sampled_from([512, 1024, 2048, 4096, 32768, 65536]),
    encoding=st.sampled_from(["UTF-8", "UTF-16le", "UTF-16be"]),
    auto_vacuum=st.integers(0, 2),
    secure_delete=st.integers(0, 1),
    reserved=st.sampled_from([0, 8, 32]),
)


@pytest.mark.timeout(3600)
@settings(max_examples=400 if SOAK else 25, deadline=None, derandomize=True)
@given(shape=LAID_OUT, operations=st.lists(OPERATIONS, min_size=1, max_size=8))
def test_whatever_is_done_to_a_database_the_reader_agrees_with_select(
    shape: Shape, operations: list[tuple[Any, ...]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "words.db", shape)
        database.insert(300, rows=10)
        for name, *arguments in operations:
            getattr(database, name)(*arguments)
        check(database)
        database.connection.close()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, vars(shape).values())))
def test_every_page_belongs_to_the_table_or_index_that_sqlite_itself_counts_it_to(tmp_path: Path, shape: Shape) -> None:
    database = lived_in(tmp_path / "words.db", shape)
    database.drop("plain")
    try:
        counted = database.connection.execute("SELECT pageno, name FROM dbstat").fetchall()
    except sqlite3.OperationalError:
        missing("SQLite's dbstat table", "use an SQLite that was compiled with SQLITE_ENABLE_DBSTAT_VTAB")
    pages = database.path.stat().st_size // shape.page_size
    with SqliteFile(database.path) as file:
        owners = {number: place.owner for number in range(1, pages + 1) for place in first(file, number, shape)}
    assert len(counted) < pages or shape.auto_vacuum == 1
    named = {number: name.replace("sqlite_master", "sqlite_schema") for number, name in counted}
    assert owners == dict.fromkeys(range(1, pages + 1)) | named


def first(file: SqliteFile, number: int, shape: Shape) -> list[InNoRow]:
    """What a page begins with, which is never a part of a row."""
    return [place for place in file.locate((number - 1) * shape.page_size, 1) if isinstance(place, InNoRow)]


def place_of(path: Path, word: bytes, longer: int = 0) -> list[str | tuple[str, ...]]:
    """The kinds of all places that a word, which is in the file but once, is in; of a row the columns."""
    content = path.read_bytes()
    assert content.count(word) == 1
    with SqliteFile(path) as file:
        places = file.locate(content.index(word), len(word) + longer)
    check_tiling(places, content.index(word), len(word) + longer)
    return [place.columns if isinstance(place, InRow) else place.kind for place in places]


@pytest.fixture
def simple(tmp_path: Path) -> Path:
    """Pages of 512 bytes, a table of three rows, what is deleted stays in the file."""
    path = tmp_path / "simple.db"
    run(
        path,
        "PRAGMA page_size = 512; CREATE TABLE t(a, b);",
        *(f"INSERT INTO t VALUES ('{word}', 'and {word} too')" for word in ("first", "second", "third")),
    )
    return path


def run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = off")
        for statement in statements:
            connection.executescript(statement)


def test_a_range_over_several_columns_names_them_all(simple: Path) -> None:
    assert place_of(simple, b"secondand second") == [("a", "b")]


def test_a_range_over_two_rows_gives_both_and_the_record_header_between_them(simple: Path) -> None:
    # Cells are put in from the end of the page.
    assert place_of(simple, b"second too", longer=10) == [("b",), "record header", ("a",)]


def test_a_range_over_the_end_of_a_page_gives_what_is_on_both(simple: Path) -> None:
    with SqliteFile(simple) as file:
        places = file.locate(1020, 5000)
    assert places[0] == InRow(1020, 4, "t", None, ("b",), places[0].row) if isinstance(places[0], InRow) else False
    assert places[1:] == tuple(InNoRow(1024 + 512 * more, min(512, 4996 - 512 * more), "unowned") for more in range(10))


def test_the_head_of_the_file_and_of_a_page_are_no_row(simple: Path) -> None:
    with SqliteFile(simple) as file:
        assert [place.kind for place in file.locate(0, 112) if isinstance(place, InNoRow)] == [
            "file header",
            "page header",
            "unallocated",
        ]
        assert file.locate(512, 14) == (InNoRow(512, 14, "page header", "t"),)


def test_a_deleted_row_is_in_a_free_block_or_in_the_gap_before_the_cells(simple: Path) -> None:
    run(simple, "DELETE FROM t WHERE a = 'second'")
    assert place_of(simple, b"and second too") == ["free block"]
    run(simple, "DELETE FROM t WHERE a = 'third'")
    assert place_of(simple, b"and third too") == ["unallocated"]
    assert place_of(simple, b"and second too") == ["unallocated"]


def test_a_dropped_table_is_on_free_pages(simple: Path) -> None:
    run(simple, "CREATE TABLE u(a); INSERT INTO u VALUES ('fourth')", "DROP TABLE u", "DROP TABLE t")
    assert place_of(simple, b"fourth") == ["trunk page"]
    assert place_of(simple, b"secondand second") == ["free page"]


def test_a_page_that_nothing_leads_to_holds_no_row(simple: Path) -> None:
    run(simple, "DROP TABLE t")
    content = bytearray(simple.read_bytes())
    content[32:40] = bytes(8)
    simple.write_bytes(content)
    assert place_of(simple, b"secondand second") == ["unowned"]


def test_what_an_earlier_row_left_behind_the_end_of_a_chain_is_slack(tmp_path: Path) -> None:
    path = tmp_path / "long.db"
    run(
        path,
        "PRAGMA page_size = 512; CREATE TABLE t(a)",
        f"INSERT INTO t VALUES ('{'.' * 690}before')",
        "DELETE FROM t",
        f"INSERT INTO t VALUES ('{'.' * 480}after')",
    )
    assert place_of(path, b"before") == ["overflow slack"]
    assert place_of(path, b"after") == [("a",)]


def test_a_word_on_two_pages_is_in_a_stretch_and_at_two_places(tmp_path: Path) -> None:
    path = tmp_path / "long.db"
    run(path, "PRAGMA page_size = 512; CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)")
    # Of such a payload 39 bytes stay on its page: a header of 5, and 5 of column a.
    run(path, f"INSERT INTO t VALUES (77, 'short', '{'.' * 24}straddling{'.' * 957}')")
    content = path.read_bytes()
    assert b"straddling" not in content
    with SqliteFile(path) as file:
        (stretch,) = file.stretches()
        (one, head), (other, tail), _ = stretch.pieces()
        assert (stretch.table, stretch.column, stretch.row["k"]) == ("t", "b", 77)
        assert b"straddling" in head + tail
        for offset, length in ((one + len(head) - 5, 5), (other, 5)):
            (place,) = file.locate(offset, length)
            assert isinstance(place, InRow)
            assert (place.columns, place.row["k"]) == (("b",), 77)


def test_a_header_too_long_for_its_page_is_no_column(tmp_path: Path) -> None:
    path, names = tmp_path / "wide.db", [f"c{number}" for number in range(300)]
    run(path, f"PRAGMA page_size = 512; CREATE TABLE t({', '.join(names)})")
    values = [f"'v{number}v'" for number in range(300)]
    run(path, f"INSERT INTO t VALUES ({', '.join(values)})")
    found: Counter[str] = Counter()
    content = path.read_bytes()
    with SqliteFile(path) as file:
        for number in range(300):
            word = f"v{number}v".encode()
            if word in content:
                for place in file.locate(content.index(word), len(word)):
                    assert isinstance(place, InRow)
                    assert place.columns == (f"c{number}",)
                    assert place.row[f"c{number}"] == word.decode()
        for offset in range(0, len(content), 512):
            for place in file.locate(offset, 512):
                found[place.kind if isinstance(place, InNoRow) and place.owner == "t" else ""] += place.length
    # The length of the header, the payload's size and the rowid are part of it here.
    assert found["record header"] == 302 + 2 + 1


def test_rows_that_just_fit_their_page_and_rows_that_just_do_not_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "fitting.db"
    run(path, "PRAGMA page_size = 512; CREATE TABLE t(a); CREATE TABLE u(a PRIMARY KEY) WITHOUT ROWID")
    lengths = {"t": range(440, 500), "u": range(80, 120)}
    for table, which in lengths.items():
        run(path, *(f"INSERT INTO {table} VALUES ('{table}{length:03}{'.' * length}')" for length in which))
    content = path.read_bytes()
    with SqliteFile(path) as file:
        overflowing = {(stretch.table, str(stretch.row["a"])[:4]) for stretch in file.stretches()}
        for table, which in lengths.items():
            for length in which:
                # Rows that moved to another page have left copies behind.
                offsets = [match.start() for match in re.finditer(f"{table}{length:03}".encode(), content)]
                rows = [place.row for offset in offsets for place in file.locate(offset, 4) if isinstance(place, InRow)]
                assert [row["a"] for row in rows] == [f"{table}{length:03}{'.' * length}"]
    # The format: 477 bytes stay on a page of a table, 102 on one of an index; 3 are the header's, 4 the name's.
    assert overflowing == {("t", f"t{length:03}") for length in range(471, 500)} | {
        ("u", f"u{length:03}") for length in range(96, 120)
    }


def test_a_row_whose_lengths_do_not_add_up_is_damaged(simple: Path) -> None:
    content = bytearray(simple.read_bytes())
    # The two bytes before the row: a text of 6 letters, a text of 14.
    types = content.index(b"secondand second") - 2
    assert content[types : types + 2] == bytes([13 + 2 * 6, 13 + 2 * 14])
    content[types] += 2
    simple.write_bytes(content)
    assert place_of(simple, b"secondand second") == ["damaged"]


def test_a_row_with_more_columns_than_its_table_is_damaged(simple: Path) -> None:
    run(
        simple,
        "INSERT INTO t VALUES ('fourth', NULL)",
        "PRAGMA writable_schema = on; UPDATE sqlite_schema SET sql = 'CREATE TABLE t(a)'",
    )
    assert place_of(simple, b"fourth") == ["damaged"]


def test_tables_that_claim_the_same_page_are_both_damaged(simple: Path) -> None:
    run(
        simple,
        "CREATE TABLE u(a, b)",
        "PRAGMA writable_schema = on; UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'u'",
    )
    assert place_of(simple, b"secondand second") == ["damaged"]
    with SqliteFile(simple) as file:
        assert file.damage == ("two places lead to page 2",)


def test_where_the_list_of_free_pages_is_broken_a_row_may_be_on_one_so_none_is_live(simple: Path) -> None:
    run(simple, "CREATE TABLE u(a); CREATE TABLE v(a)", "DROP TABLE u", "DROP TABLE v")
    assert place_of(simple, b"secondand second") == [("a", "b")]
    whole = simple.read_bytes()
    (trunk,) = struct.unpack_from(">I", whole, 32)
    # How many there are, how many one page lists, which page it lists.
    for offset in (39, (trunk - 1) * 512 + 7, (trunk - 1) * 512 + 8):
        content = bytearray(whole)
        content[offset] += 1
        simple.write_bytes(content)
        assert place_of(simple, b"secondand second") == ["damaged"]
        assert place_of(simple, b"CREATE TABLE t") == ["damaged"]


def test_a_page_whose_rows_overlap_is_damaged(simple: Path) -> None:
    content = bytearray(simple.read_bytes())
    # Two rows of the same length: one is pointed at twice, the other by nothing.
    content[512 + 8 : 512 + 10] = content[512 + 12 : 512 + 14]
    simple.write_bytes(content)
    assert place_of(simple, b"firstand first") == ["damaged"]
    assert place_of(simple, b"thirdand third") == ["damaged"]


def test_a_page_with_bytes_that_belong_to_nothing_is_damaged(simple: Path) -> None:
    content = bytearray(simple.read_bytes())
    assert content[512 + 7] == 0
    content[512 + 7] = 1
    simple.write_bytes(content)
    assert place_of(simple, b"firstand first") == ["damaged"]


def test_a_row_of_three_bytes_takes_four(simple: Path) -> None:
    run(simple, "CREATE TABLE u(a PRIMARY KEY) WITHOUT ROWID; INSERT INTO u VALUES (1)")
    with SqliteFile(simple) as file:
        assert file.locate(1536 - 5, 5) == (
            InNoRow(1536 - 5, 1, "unallocated", "u"),
            InNoRow(1536 - 4, 3, "record header", "u"),
            InNoRow(1536 - 1, 1, "fragment", "u"),
        )


def test_a_page_of_another_kind_than_its_table_is_damaged(simple: Path) -> None:
    content = bytearray(simple.read_bytes())
    assert content[512] == LEAF_TABLE
    content[512] = LEAF_INDEX
    simple.write_bytes(content)
    assert place_of(simple, b"secondand second") == ["damaged"]
    with SqliteFile(simple) as file:
        assert file.damage == ("page 2 is of another kind than its b-tree",)


def test_pages_that_list_pages_and_reserved_bytes_hold_no_row(tmp_path: Path) -> None:
    database = Database(tmp_path / "words.db", Shape(1024, auto_vacuum=1, reserved=8))
    with SqliteFile(database.path) as file:
        assert file.locate(1024, 1024) == (InNoRow(1024, 1024, "pointer map"),)
        assert file.locate(1016, 8) == (InNoRow(1016, 8, "reserved", "sqlite_schema"),)


def test_words_of_the_schema_are_in_its_table(simple: Path) -> None:
    assert place_of(simple, b"CREATE TABLE t(a, b)") == [("sql",)]


def test_the_lock_byte_page_and_pages_behind_it_hold_no_row(simple: Path) -> None:
    run(simple, "PRAGMA page_size = 65536; VACUUM")
    pages = (1 << 30) // 65536 + 3
    with simple.open("r+b") as file:
        file.truncate(pages * 65536)
        file.seek(28)
        file.write(struct.pack(">I", pages))
    with SqliteFile(simple) as it:
        assert it.locate((1 << 30) - 4, 8) == (
            InNoRow((1 << 30) - 4, 4, "unowned"),
            InNoRow(1 << 30, 4, "lock-byte page"),
        )


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("page_size", "auto_vacuum"), [(4096, 0), (1024, 1)])
def test_a_file_of_more_than_a_gibibyte_is_read_around_the_lock_byte_page(
    tmp_path: Path, page_size: int, auto_vacuum: int
) -> None:
    path = tmp_path / "huge.db"
    # With auto_vacuum and pages of 1024 bytes the lock-byte page is where a pointer map would be.
    run(path, f"PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = {auto_vacuum}; PRAGMA journal_mode = off")
    run(path, "CREATE TABLE t(k INTEGER PRIMARY KEY, a)")
    with closing(sqlite3.connect(path)) as connection:
        for number in range(11):
            connection.execute("INSERT INTO t VALUES (?, ?)", (number, random.Random(number).randbytes(100_000_000)))
            connection.commit()
    with SqliteFile(path) as file:
        assert file.damage == ()
        assert [kind.kind for kind in file.locate(1 << 30, 1) if isinstance(kind, InNoRow)] == ["lock-byte page"]
        for stretch in file.stretches():
            whole = b"".join(piece for _, piece in stretch.pieces())
            assert whole == random.Random(int(str(stretch.row["k"]))).randbytes(100_000_000)
    path.unlink()


def test_the_rows_of_our_own_stores_are_found_with_their_keys(tmp_path: Path) -> None:
    chance, stores = random.Random(1), Stores(tmp_path)
    rows: dict[Any, dict[tuple[Any, ...], dict[str, Any]]] = {}
    with stores.write() as connection:
        for table in RECORDS.values():
            for number in range(12):
                row: dict[str, Any] = {"account": f"home{number % 3}", "interaction": f"id{number:04}", "position": 0}
                row |= {"device": "kitchen", "at": AT, "received_at": AT}
                marked = f"{table.schema} {table.name} said by {number:04} in full"
                for column in table.columns:
                    if column.name == "flac":
                        row["flac"] = marked.encode() + chance.randbytes(chance.randint(10_000, 190_000))
                    elif column.name not in row and str(column.type) == "TEXT" and "deleted" not in column.name:
                        row[column.name] = f"{marked} as {column.name}"
                connection.execute(insert(table), [row])
            rows[table] = {tuple(row)[:3]: dict(row._mapping) for row in connection.execute(select(table))}
    stores.close()
    for (store, kind), table in RECORDS.items():
        path = stores.folder / f"{store}.db"
        content = path.read_bytes()
        with SqliteFile(path) as file:
            assert file.damage == ()
            for key, row in rows[table].items():
                for column, value in row.items():
                    mark = value.encode() if isinstance(value, str) else value[:50] if column == "flac" else b""
                    if f"{store} {kind} said".encode() not in mark:
                        continue
                    (place,) = file.locate(content.index(mark), len(mark))
                    assert isinstance(place, InRow)
                    assert (place.table, place.index, place.columns) == (kind, None, (column,))
                    assert tuple(place.row[name] for name in ("account", "interaction", "position")) == key
                    assert place.row[column] == value


def refused(path: Path) -> str:
    with pytest.raises(Unreadable) as error:
        SqliteFile(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    for content in (b"", b"SQLite format 3\0", b"remember the walnuts" * 100):
        path.write_bytes(content)
        assert "no SQLite database" in refused(path)


def test_a_database_that_was_cut_short_is_refused(simple: Path) -> None:
    simple.write_bytes(simple.read_bytes()[:-1])
    assert "cut short" in refused(simple)


def test_a_database_with_a_log_beside_it_is_refused(simple: Path) -> None:
    with closing(sqlite3.connect(simple, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("DELETE FROM t")
        assert "simple.db-wal is not empty" in refused(simple)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        SqliteFile(simple).close()


def test_a_database_with_a_journal_to_play_back_is_refused_and_one_with_a_spent_journal_is_not(simple: Path) -> None:
    with closing(sqlite3.connect(simple, isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode = persist; PRAGMA cache_size = 1; PRAGMA synchronous = full")
        connection.execute("BEGIN")
        for _ in range(200):
            connection.execute("INSERT INTO t VALUES (zeroblob(300), 1)")
        assert "simple.db-journal is not empty" in refused(simple)
        connection.execute("COMMIT")
        assert simple.with_name("simple.db-journal").stat().st_size
        SqliteFile(simple).close()


@pytest.mark.parametrize("table", ["u(a)", "u(a PRIMARY KEY) WITHOUT ROWID"])
def test_a_table_that_this_sqlite_cannot_read_is_damaged_and_the_others_are_not(simple: Path, table: str) -> None:
    run(
        simple,
        f"CREATE TABLE {table}; INSERT INTO u VALUES ('fourth')",
        "PRAGMA writable_schema = on; UPDATE sqlite_schema SET sql = 'CREATE TABLE u AS SELECT 1' WHERE name = 'u'",
    )
    assert place_of(simple, b"fourth") == ["damaged"]
    assert place_of(simple, b"secondand second") == [("a", "b")]
    with SqliteFile(simple) as file:
        assert file.damage == ("u: its columns are not known: not authorized",)


def test_the_schema_of_the_tests_makes_every_kind_of_b_tree() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        kinds = [kind for (kind,) in connection.execute("SELECT type FROM sqlite_schema")]
    assert Counter(kinds) == {"table": 4, "index": 4}
