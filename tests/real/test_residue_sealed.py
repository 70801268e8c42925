"""The same search where copies are out of reach: sealed, with backups on SQLite, and in PostgreSQL with its log."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cloud_stub.house import open_house
from cloud_stub.residue import sounds, windows
from cloud_stub.retention import policy
from cloud_stub.stores.tables import RECORDS, fields
from tests.byte_search import holding, searched
from tests.cloud_stub.house import sealed
from tests.processes import asked, cloud, cloud_stub, echo_device, mosquitto, until
from tests.real.postgres import PASSWORD, Server
from tests.soak import rarely
from tests.test_residue import REQUESTS, STRICT

#: These run each time; `make soak` runs them all.
OFTEN = {"amazon-2019"}

POLICIES = rarely(policy.names(), but=OFTEN)


def contents(data: Path) -> Iterator[windows.Windows]:
    """The windows of every text and sound that the stores hold, opened with their keys."""
    with open_house(data) as house, house.stores.read() as connection:
        for (store, _), table in RECORDS.items():
            if store == "witness":
                continue
            for row in house.keys.seal.opened(table, connection.execute(select(table)).mappings()):
                for name in fields(table):
                    value = row[name]
                    if isinstance(value, bytes):
                        yield sounds.windows_of(value)
                    elif isinstance(value, str) and not value.startswith("["):
                        yield windows.of_text(value)


@contextmanager
def spoken(data: Path, broker: str, *options: str | Path) -> Iterator[None]:
    """A running cloud that has heard the shipped sounds."""
    with cloud(data, "--simulated-clock", *options, broker=broker):
        done = echo_device("hear", *REQUESTS, "--broker", broker, "--data", data)
        assert done.returncode == 0, done.stderr
        until(lambda: asked("status", "--data", data)["outgoing"] == 0, "everything to be confirmed")
        yield


def erased(data: Path, name: str) -> None:
    """The household deletes everything, and what falls due is done."""
    asked("erase", "household", "--all", "--data", data)
    until(lambda: asked("status", "--data", data)["outgoing"] == 0, "third parties to answer")
    asked("advance", "P29D" if name in STRICT else "P31D", "--data", data)


def residue(data: Path, broker: str) -> dict[str, dict[str, Any]]:
    """The report by place; nothing in it is unexplained."""
    done = cloud_stub("residue", "household", "--data", data, "--json", "--broker", broker)
    report: dict[str, Any] = json.loads(done.stdout)
    places = {place["place"]: place for place in report["places"]}
    unexplained = [one for place in places.values() for one in place["findings"] if not one["explained"]]
    assert (unexplained, report["unexplained"], done.returncode) == ([], 0, 0)
    return places


def found(places: dict[str, dict[str, Any]]) -> set[tuple[str, int]]:
    """Words that stand in the open. A sealed record that stays is found too, by its key, and has no offset."""
    every = [finding for place in places.values() for finding in place["findings"]]
    return {(finding["file"], finding["offset"]) for finding in every if finding["offset"] is not None}


@pytest.mark.parametrize("name", POLICIES)
def test_no_backup_says_what_was_erased(tmp_path: Path, name: str) -> None:
    data = tmp_path / "data"
    with mosquitto(tmp_path / "broker") as broker:
        with spoken(data, broker, "--policy", sealed(tmp_path, name)):
            wanted = {bytes(window) for content in contents(data) for window in content}
            asked("backup", "--data", data)
            erased(data, name)
        places = residue(data, broker)
    assert len(wanted) > 300
    assert found(places) == searched(data, wanted)
    copies = list((data / "cloud" / "backups").rglob("*.db"))
    assert len(copies) > 5
    assert holding(((str(file), file.read_bytes()) for file in copies), wanted) == []


@pytest.mark.soak  # test_postgres.py searches the server's files for one sentence each time
@pytest.mark.parametrize("name", policy.names())
def test_no_file_of_postgresql_says_what_was_erased(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    data, url = tmp_path / "data", postgres.database()
    with mosquitto(tmp_path / "broker") as broker:
        with spoken(data, broker, "--policy", sealed(tmp_path, name), "--store", url):
            wanted = {bytes(window) for content in contents(data) for window in content}
            erased(data, name)
        postgres.execute("GRANT pg_checkpoint, pg_read_all_settings TO echo")
        try:
            places = residue(data, broker)
        finally:
            postgres.execute("REVOKE pg_checkpoint, pg_read_all_settings FROM echo")
    assert len(wanted) > 300
    theirs = {place: what["verdict"] for place, what in places.items() if place.startswith("postgresql")}
    assert theirs == {"postgresql/tables and indexes": "clean", "postgresql/write-ahead log": "clean"}
    assert found(places) == searched(data, wanted)
    assert holding(postgres.files().items(), wanted) == []
