"""A damaged file is never worse than unreadable: no crash, no endless loop, and no deleted word is called live."""

import random
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cloud_stub.residue.sqlite_file import InNoRow, InRow, SqliteFile
from cloud_stub.stores.btree_page import INTERIOR_TABLE, Unreadable
from tests.cloud_stub.residue.databases import Database, Shape, check_tiling, occurrences, truth
from tests.soak import SOAK

TIMES = 2000 if SOAK else 25
Harm = Callable[[bytearray, Shape, random.Random], None]
SHAPES = [Shape(512), Shape(1024, auto_vacuum=2), Shape(4096, reserved=32)]


def filled(path: Path, shape: Shape) -> tuple[bytes, set[bytes]]:
    """A database with deleted words in free pages, free blocks and gaps; and its live words."""
    database = Database(path, shape)
    database.insert(shape.page_size // 8, rows=12)
    database.insert(shape.page_size * 3, rows=3)
    database.delete(0.3)
    database.update(shape.page_size // 4, 0.2)
    database.drop("plain")
    database.insert(shape.page_size // 4, rows=5)
    database.connection.close()
    return path.read_bytes(), {spot.word for spot in truth(path)}


def flip(content: bytearray, shape: Shape, chance: random.Random) -> None:
    """Change a byte, most often one that says where something is."""
    page = chance.randrange(len(content) // shape.page_size) * shape.page_size
    place = chance.choice(["anywhere", "page", "pointers", "file"])
    offset = {
        "anywhere": chance.randrange(len(content)),
        "page": page + chance.randrange(12),
        "pointers": page + chance.randrange(8, 60),
        "file": chance.randrange(16, 108),
    }[place]
    content[offset] = chance.choice([content[offset] ^ 1 << chance.randrange(8), chance.randrange(256), 0, 255])


def cut(content: bytearray, shape: Shape, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def blank(content: bytearray, shape: Shape, chance: random.Random) -> None:
    page = chance.randrange(len(content) // shape.page_size) * shape.page_size
    content[page : page + shape.page_size] = bytes(shape.page_size)


def copy(content: bytearray, shape: Shape, chance: random.Random) -> None:
    """Put one page in another's place."""
    one, other = (chance.randrange(len(content) // shape.page_size) * shape.page_size for _ in range(2))
    content[one : one + shape.page_size] = content[other : other + shape.page_size]


def harmed(path: Path, content: bytes, shape: Shape, harm: Harm, times: int) -> Iterator[set[bytes]]:
    """What the reader calls live after each of so many harms to the content; nothing where it refuses the file."""
    chance = random.Random(2)
    for _ in range(times):
        changed = bytearray(content)
        harm(changed, shape, chance)
        path.write_bytes(changed)
        try:
            found = called_live(path, shape)
        except Unreadable:
            found = set()
        yield found


def called_live(path: Path, shape: Shape) -> set[bytes]:
    """Every word that the reader says is in a live row, after having asked it everything that can be asked."""
    found = set()
    with SqliteFile(path) as file:
        for offset, length, word in occurrences(path.read_bytes(), shape.encoding):
            places = file.locate(offset, length)
            check_tiling(places, offset, length)
            if all(isinstance(place, InRow) for place in places):
                found.add(word)
        for stretch in file.stretches():
            for _, length, word in occurrences(b"".join(piece for _, piece in stretch.pieces()), shape.encoding):
                assert length
                found.add(word)
    return found


@pytest.mark.parametrize("circle", ["b-tree", "overflow pages", "free list"])
def test_what_runs_in_a_circle_comes_to_an_end_and_is_not_live(tmp_path: Path, circle: str) -> None:
    path = tmp_path / "circle.db"
    database = Database(path, Shape(512))
    database.insert(2000, rows=9)
    database.drop("plain")
    with closing(database.connection):
        (root,) = database.connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'numbered'").fetchone()
    content = bytearray(path.read_bytes())
    with SqliteFile(path) as file:
        chain = next(offset for stretch in file.stretches() for offset, _ in list(stretch.pieces())[1:]) // 512 + 1
    (trunk,) = struct.unpack_from(">I", content, 32)
    # The last child of a page, the next page of a chain, the next page that lists free pages: each the page itself.
    number, where = {"b-tree": (root, 8), "overflow pages": (chain, 0), "free list": (trunk, 0)}[circle]
    assert circle != "b-tree" or content[(root - 1) * 512] == INTERIOR_TABLE
    struct.pack_into(">I", content, (number - 1) * 512 + where, number)
    path.write_bytes(content)
    with SqliteFile(path) as file:
        (place,) = file.locate((number - 1) * 512 + 4, 8)
        assert isinstance(place, InNoRow)
        assert place.kind == ("trunk page" if circle == "free list" else "damaged")
        assert len(file.damage) == 1
        assert not list(file.stretches())


def test_free_blocks_that_run_in_a_circle_come_to_an_end_and_nothing_on_their_page_is_live(tmp_path: Path) -> None:
    path = tmp_path / "circle.db"
    database = Database(path, Shape(512))
    database.connection.execute("INSERT INTO numbered(id, a) VALUES (1, 'first'), (2, 'second'), (3, 'third')")
    (root,) = database.connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'numbered'").fetchone()
    database.connection.execute("DELETE FROM numbered WHERE id = 2")
    database.connection.close()
    content, page = bytearray(path.read_bytes()), (root - 1) * 512
    (block,) = struct.unpack_from(">H", content, page + 1)
    assert block
    struct.pack_into(">H", content, page + block, block)
    path.write_bytes(content)
    with SqliteFile(path) as file:
        assert file.locate(page, 512) == (InNoRow(page, 512, "damaged", "numbered"),)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("harm", [flip, cut, blank], ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: str(shape.page_size))
def test_one_wrong_byte_makes_no_deleted_word_live(tmp_path: Path, shape: Shape, harm: Harm) -> None:
    content, live = filled(tmp_path / "whole.db", shape)
    assert called_live(tmp_path / "whole.db", shape) == live
    dead = {word for _, _, word in occurrences(content, shape.encoding)} - live
    answers = list(harmed(tmp_path / "harmed.db", content, shape, harm, TIMES))
    assert dead
    assert not dead & set().union(*answers)
    assert any(answer != live for answer in answers)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: str(shape.page_size))
def test_however_damaged_a_file_is_the_reader_comes_to_an_end(tmp_path: Path, shape: Shape) -> None:
    content, live = filled(tmp_path / "whole.db", shape)

    def often(content: bytearray, shape: Shape, chance: random.Random) -> None:
        for _ in range(chance.randint(1, 30)):
            chance.choice([flip, flip, flip, blank, copy])(content, shape, chance)

    assert any(answer != live for answer in harmed(tmp_path / "harmed.db", content, shape, often, TIMES))
