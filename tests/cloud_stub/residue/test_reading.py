"""What proves the scanner on a copy of people's words leaves no such copy, whatever ends it."""

import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cloud_stub.residue import canary, reading
from cloud_stub.residue.needles import Key, of_contents
from cloud_stub.residue.windows import of_text
from tests.byte_search import searched

SECRET = "the spare key lies under the blue flower pot"


def plain(file: Path) -> None:
    file.write_text(SECRET)


def database(file: Path, encoding: str = "UTF-8") -> None:
    """One as devices and third parties have it: with a log, which is truncated."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA encoding='{encoding}'")
        connection.execute("PRAGMA journal_mode=wal")
        connection.execute("CREATE TABLE waiting (words TEXT)")
        connection.execute("INSERT INTO waiting VALUES (?)", (SECRET,))


def wide(file: Path) -> None:
    database(file, "UTF-16le")


@pytest.mark.parametrize("make", [plain, database, wide])
def test_no_name_ever_leads_to_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any) -> None:
    folder, place = tmp_path / "temporary", tmp_path / "data"
    folder.mkdir()
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    make(place / "file")
    before = (place / "file").read_bytes()
    words, key = canary.words(), Key.random()
    wanted = {window for said in (SECRET, words) for window in map(bytes, of_text(said))}
    scan, looked = reading.scan, []

    def looking(*given: Any, **options: Any) -> Iterator[Any]:
        """Who is killed now leaves behind what has a name now."""
        looked.append(searched(folder, wanted))
        return scan(*given, **options)

    monkeypatch.setattr(reading, "scan", looking)
    assert searched(place, wanted)
    for said, found in ((words, True), ("nobody has put this there", False)):
        needles = of_contents(key, [key.needles(of_text(said))])
        assert reading.finds_in_copies((place / "file",), words, needles, 8) is found
    assert looked == [set(), set()]
    assert list(folder.iterdir()) == []
    assert {file: file.read_bytes() for file in place.iterdir()} == {place / "file": before}


def test_a_killed_search_takes_its_reader_with_it() -> None:
    program = (
        "import os\n"
        "from cloud_stub.residue.reading import reader\n"
        "if __name__ == '__main__':\n"
        "    with reader(8) as at_files:\n"
        "        print(at_files._pool.submit(os.getpid).result(), flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
    )
    # Its output ends when the last process that can write there has ended.
    done = subprocess.run([sys.executable, "-c", program], check=False, stdout=subprocess.PIPE, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert int(done.stdout)
