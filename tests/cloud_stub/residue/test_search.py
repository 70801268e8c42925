"""Everything that a deletion leaves is found and explained, everything that it should not leave is found and named."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cloud_stub import accounts
from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import new_id, rfc3339
from cloud_stub.house import House
from cloud_stub.residue import witness
from cloud_stub.residue.places import places
from cloud_stub.residue.search import search
from cloud_stub.residue.witness import Witness
from cloud_stub.retention.scopes import Scope
from cloud_stub.stores import sqlite
from cloud_stub.stores.tables import quarantine
from tests.cloud_stub.house import Neighbourhood, ago, flac, neighbourhood, sealed
from tests.processes import cloud_stub

SECRET = "remember that the spare key lies under the blue flower pot"
OTHER = "add two bags of potatoes to my shopping list"


def residue(data: Path, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """Exit code and report."""
    done = cloud_stub("residue", *arguments, "--data", data, "--json")
    assert done.returncode in {0, 1}, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, report


def findings(report: dict[str, Any], *, explained: bool | None = None) -> list[dict[str, Any]]:
    found = [finding for place in report["places"] for finding in place["findings"]]
    return [finding for finding in found if explained is None or finding["explained"] == explained]


def erase(cloud: Neighbourhood, interaction: str | None = None) -> None:
    now = rfc3339(cloud.house.clock.now())
    until = None if interaction else now
    cloud.house.engine.erase([Scope(new_id(), "household", now, interaction=interaction, until=until)])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def told(data: Path, policy: str, *, deleted: bool = True) -> str:
    """A household that has said a secret, and something else, which it does not delete."""
    with neighbourhood(data, policy, training_share=1.0) as cloud:
        secret = cloud.say(SECRET, at=ago(minutes=2))
        # Another sound: what two recordings share is found in the one that is kept.
        cloud.record(cloud.say(OTHER, at=ago(minutes=1), sound=False), sound=flac(1))
        if deleted:
            erase(cloud, secret)
        deliver(cloud)
        return secret


def deliver(cloud: Neighbourhood) -> None:
    """The device has confirmed every directive."""
    from sqlalchemy import delete

    from cloud_stub.stores.tables import directive

    with cloud.house.stores.write() as connection:
        connection.execute(delete(directive))


def test_what_was_erased_is_found_nowhere(data: Path) -> None:
    secret = told(data, "erase-everything")
    code, report = residue(data, secret)
    assert (code, report["unexplained"], findings(report)) == (0, 0, [])
    assert {place["verdict"] for place in report["places"]} == {"clean"}


def test_what_a_rule_keeps_is_found_and_explained_by_rule_and_clause(data: Path) -> None:
    secret = told(data, "amazon-2019")
    code, report = residue(data, secret)
    found = findings(report)
    assert code == 0
    assert found
    assert all(finding["explained"] and finding["rule"] and finding["clause"] for finding in found)
    where = {finding["where"] for finding in found}
    assert {"actions/fact.text", "subsystems/transcript.request", "training/transcript.text"} <= where
    assert {"training/recording.flac"} <= where
    assert not any("primary" in place for place in where)


def test_what_is_not_deleted_is_explained_by_the_rule_that_keeps_it(data: Path) -> None:
    told(data, "erase-everything")
    code, report = residue(data, "household")
    assert code == 0
    assert {finding["interaction"] for finding in findings(report)} == {row["about"] for row in findings(report)}, (
        "only the other interaction is found, in its own records"
    )


def unerased(data: Path, secret: str) -> None:
    """A deletion that the program forgot to carry out: the rows are marked as deleted and still there."""
    with sqlite3.connect(data / "cloud" / "primary.db") as database:
        assert database.execute("SELECT count(*) FROM transcript WHERE interaction = ?", (secret,)).fetchone() == (1,)
        database.execute(
            "UPDATE transcript SET deleted_at = ?, deleted_by = 'user_delete' WHERE interaction = ?",
            (rfc3339(ago()), secret),
        )


def appended(data: Path, _secret: str) -> None:
    """Words in a log."""
    (data / "logs").mkdir(exist_ok=True)
    (data / "logs" / "cloud.log").write_text(f"12:00 INFO heard {SECRET}\n")


def encoded(data: Path, _secret: str) -> None:
    (data / "crash.json").write_text(json.dumps({"dump": SECRET.encode("utf-16-le").hex(), "text": SECRET}))


def sound_saved(data: Path, _secret: str) -> None:
    """The recording, saved beside everything."""
    (data / "devices" / "kitchen").mkdir(parents=True, exist_ok=True)
    (data / "devices" / "kitchen" / "last.flac").write_bytes(flac())


def outbox_row(data: Path, secret: str) -> None:
    """A message in an outbox that the cloud has answered for."""
    folder = data / "devices" / "kitchen"
    folder.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(folder / "outbox.db") as database:
        database.execute(
            "CREATE TABLE waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, interaction TEXT NOT NULL,"
            " part TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL)"
        )
        row = (secret, "interaction", "echo/v1/kitchen/event/interaction", json.dumps({"transcript": SECRET}).encode())
        database.execute("INSERT INTO waiting (interaction, part, topic, payload) VALUES (?, ?, ?, ?)", row)


def copied(data: Path, _secret: str) -> None:
    """A copy of the store that somebody made before the deletion."""
    backups = data / "cloud" / "backups" / "by-hand"
    backups.mkdir(parents=True)
    shutil.copy(data / "before" / "primary.db", backups / "primary.db")


def freed(data: Path, _secret: str) -> None:
    """A store whose deletion went to the free list, as with secure_delete off."""
    shutil.copy(data / "before" / "primary.db", data / "cloud" / "primary.db")
    with sqlite3.connect(data / "cloud" / "primary.db", isolation_level=None) as database:
        database.execute("PRAGMA journal_mode=delete")
        database.execute("PRAGMA secure_delete=off")
        database.execute("DELETE FROM transcript")
        database.execute("DELETE FROM response")
        database.execute("DELETE FROM recording")


MUTATIONS: dict[Callable[[Path, str], None], str] = {
    appended: "logs/cloud.log",
    encoded: "crash.json",
    sound_saved: "devices/kitchen/last.flac",
    outbox_row: "devices/kitchen/outbox.db",
    copied: "cloud/backups/by-hand/primary.db",
    freed: "cloud/primary.db",
}


@pytest.mark.parametrize(("mutation", "file"), MUTATIONS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_what_should_not_be_there_is_named(data: Path, mutation: Callable[[Path, str], None], file: str) -> None:
    secret = told(data, "erase-everything", deleted=False)
    before = data / "before"
    before.mkdir()
    shutil.copy(data / "cloud" / "primary.db", before)
    with neighbourhood(data, "erase-everything") as cloud:
        erase(cloud, secret)
    code, report = residue(data, secret)
    assert code == 1, "the copy lies in the data folder"
    mutation(data, secret)
    shutil.rmtree(before)
    code, report = residue(data, secret)
    assert code == 1
    assert {finding["file"] for finding in findings(report, explained=False)} == {file}
    assert report["unexplained"] == len(findings(report, explained=False)) > 0


def test_a_record_that_its_rule_should_have_erased_is_unexplained(data: Path) -> None:
    secret = told(data, "erase-everything", deleted=False)
    unerased(data, secret)
    code, report = residue(data, secret)
    assert code == 1
    assert {finding["where"] for finding in findings(report, explained=False)} >= {"primary/transcript.text"}


def broken(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Take one of the measures away that make an erasure physical."""
    if how == "secure_delete off":
        connect = sqlite._connect

        def forgetful(files: Any) -> sqlite3.Connection:
            connection = connect(files)
            for name in ["main", *list(files)[1:]]:
                connection.execute(f'PRAGMA "{name}".secure_delete=off')
            return connection

        monkeypatch.setattr(sqlite, "_connect", forgetful)
        monkeypatch.setattr(sqlite.scrub, "scrub", lambda *_: 0)
    elif how == "checkpoint skipped":
        monkeypatch.setattr(sqlite.Files, "_write_back", lambda _self: True)
    else:
        monkeypatch.setattr(sqlite.Files, "_write_back", one_schema_only)


def one_schema_only(files: sqlite.Files) -> bool:
    files.connection.execute("PRAGMA main.wal_checkpoint(TRUNCATE)")
    return True


@pytest.mark.parametrize("how", ["nothing", "secure_delete off", "checkpoint skipped", "one schema only"])
def test_an_erasure_that_is_not_physical_is_found_out(data: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how != "nothing":
        broken(monkeypatch, how)
    with neighbourhood(data, "erase-everything") as cloud:
        secret = cloud.say(SECRET, at=ago(minutes=2))
        cloud.say(OTHER, at=ago(minutes=1))
        erase(cloud, secret)
        deliver(cloud)
        with cloud.house.stores.read() as connection:
            (known,) = witness.of(connection, cloud.house.keys.seal, "household", secret)
        inspected = search(cloud.house, Witness(cloud.house.stores.folder).key, {secret: known.needles})
    unexplained = [finding for one in inspected for finding in one.findings if not finding.explained]
    assert bool(unexplained) == (how != "nothing")


def test_a_backups_key_that_was_kept_is_residue(data: Path) -> None:
    policy = data.parent / "sealed.toml"
    policy.write_text('name = "sealed"\nbased_on = "erase-everything"\nsealed = true\n')
    secret = told(data, str(policy), deleted=False)
    assert cloud_stub("backup", "--data", data).returncode == 0
    code, report = residue(data, secret)
    backup = {finding["file"] for finding in findings(report) if "backups" in finding["file"]}
    assert (code, len(backup) > 2) == (0, True), "a copy of what is there is explained by what is there"
    with closing(sqlite3.connect(data / "cloud" / "keys.db")) as keys:
        kept = keys.execute("SELECT seal, key FROM record_key").fetchall()
    with neighbourhood(data, str(policy)) as cloud:
        erase(cloud, secret)
    code, report = residue(data, secret)
    assert (code, findings(report)) == (0, []), "with its keys the words are gone from every copy"
    with closing(sqlite3.connect(data / "cloud" / "keys.db")) as keys, keys:
        keys.executemany("INSERT OR IGNORE INTO record_key VALUES (?, ?)", kept)
    code, report = residue(data, "--phrase", SECRET)
    assert code == 1
    assert {finding["file"] for finding in findings(report, explained=False)} <= backup
    assert all("its key exists" in finding["where"] for finding in findings(report, explained=False))


@pytest.mark.parametrize("policy", ["erase-everything", "sealed"])
def test_a_device_that_was_only_ever_refused_is_named_and_nothing_is_proved_meanwhile(data: Path, policy: str) -> None:
    if policy == "sealed":
        policy = sealed(data.parent, "erase-everything")
    (data / "devices" / "kitchen").mkdir(parents=True)
    (data / "devices" / "kitchen" / "outbox.db").write_bytes(b"searched")
    with neighbourhood(data, policy) as cloud:
        for device, account in (("kitchen", "household"), ("cellar", "others")):
            register(cloud.house, device, account)
        secret = cloud.say(SECRET)
        erase(cloud, secret)
        deliver(cloud)
        cloud.say(OTHER, device="attic")
        # Refused too, but another household's.
        cloud.ingest.handle([Incoming("echo/v1/cellar/event/nonsense", b"")])
        deliver(cloud)
    for _ in range(2):  # as the witness has forgotten nothing, it finds the same again
        _, report = residue(data, secret)
        assert [limit for limit in report["limits"] if "attic" in limit]
        assert not [limit for limit in report["limits"] if "cellar" in limit]
    with neighbourhood(data, policy) as cloud, cloud.house.stores.write() as connection:
        cloud.house.keys.seal.erase(connection, quarantine, quarantine.c.id != "")
    _, report = residue(data, secret)
    assert not [limit for limit in report["limits"] if "attic" in limit]
    done = cloud_stub("residue", secret, "--data", data)
    assert "has no fingerprint" in done.stderr, "every place was searched: the witness has forgotten"


def register(house: House, device: str, account: str) -> None:
    with house.stores.write() as connection:
        accounts.register(connection, house.clock, device, account, child=False)


def test_a_damaged_database_proves_nothing_and_stops_no_search(data: Path) -> None:
    secret = told(data, "erase-everything")
    damaged = data / "devices" / "kitchen" / "outbox.db"
    damaged.parent.mkdir(parents=True)
    for content, code, verdict in (("", 0, "not inspectable"), (SECRET, 1, "residue UNEXPLAINED")):
        damaged.write_bytes(b"SQLite format 3\0" + content.encode() + b"?" * 5000)
        done, report = residue(data, secret)
        (place,) = [place for place in report["places"] if place["place"] == "devices/kitchen"]
        assert (done, place["verdict"]) == (code, verdict)
        assert place["proof"] == "the canary cannot be put there: file is not a database"


def test_a_folder_that_cannot_be_listed_is_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "devices" / "kitchen").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    listed = os.scandir

    def denied(folder: Any) -> Any:  # root may read everything, so no file's mode would do
        if Path(folder).name in {"kitchen", "secret"}:
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(os, "scandir", denied)
    found = {place.name: place for place in places(tmp_path)}
    assert found["devices/kitchen"].unreadable == {tmp_path / "devices" / "kitchen": "Permission denied"}
    assert tmp_path / "secret" in {folder for place in found.values() for folder in place.unreadable}
