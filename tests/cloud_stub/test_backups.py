"""Backups and restore: what was lost comes back, what was deleted does not, through no interface."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cloud_stub import restoring
from cloud_stub.backing_up import Schedule, back_up
from cloud_stub.contract.messages import rfc3339
from cloud_stub.errors import CloudError
from cloud_stub.retention import ledger
from cloud_stub.retention import policy as policies
from cloud_stub.retention.policy import BrokenPolicy
from cloud_stub.stores import backups
from cloud_stub.stores.backups import COPIED, Backup
from cloud_stub.stores.tables import CONTENT, RECORDS, kinds
from cloud_stub.stores.tables import ledger as entries
from tests.cloud_stub.day import SAID, erase_all, evening, forward, live, messages, shown
from tests.cloud_stub.house import Neighbourhood, neighbourhood, sealed
from tests.cloud_stub.test_sealing import (
    OFTEN,
    check_keys,
    close_account,
    delete_by_voice,
    delete_one,
    forget,
    forward_a_month,
    opt_out,
    raw_keys,
    word_groups,
)
from tests.processes import asked, cloud, cloud_stub, until
from tests.soak import rarely

SHIPPED = policies.names()


def opt_in(cloud: Neighbourhood) -> None:
    with cloud.house.stores.write() as connection:
        cloud.house.engine.change_setting(connection, "household", "use_for_improvement", "yes")


def each_after_the_other(cloud: Neighbourhood) -> None:
    for deed in (delete_one, opt_out, opt_in, delete_by_voice, forward_a_month, erase_all):
        deed(cloud)


DEEDS = (delete_one, erase_all, opt_out, forward_a_month, close_account)
#: (policy, what is done after the backup, whether the stores are lost then)
CASES = [
    *(("amazon-2019", deed, True) for deed in DEEDS),
    *(
        pytest.param(name, each_after_the_other, True, marks=[] if name in OFTEN else pytest.mark.soak)
        for name in SHIPPED
    ),
    ("amazon-2019", each_after_the_other, False),
]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Neighbourhood]:
    with evening(tmp_path / "data", "amazon-2019") as it:
        yield it


def lose_everything(data: Path) -> None:
    """The disk fails: of the record stores no file is left."""
    for store in COPIED:
        if store != "operations":
            for file in (data / "cloud").glob(f"{store}.db*"):
                file.unlink()


def restored(data: Path, policy: str) -> dict[str, Any]:
    """Restore the newest backup; what every interface answers then."""
    with neighbourhood(data, policy) as cloud:
        restoring.restore(cloud.house, backups.listed(data / "cloud")[-1].name)
    with neighbourhood(data, policy) as cloud:
        check_keys(cloud)
        assert [row for row in cloud.left() if row.rule is None] == []
        with cloud.house.stores.read() as connection:
            assert list(ledger.verify(connection)) == []
        return shown(cloud)


# ---- a backup -------------------------------------------------------------------------------------------------------


def test_a_backup_holds_every_store_but_the_ledger_and_no_key_and_no_word(home: Neighbourhood) -> None:
    made = back_up(home.house)
    folder = home.data / "cloud/backups" / made.name
    assert {file.name for file in folder.iterdir()} == {"manifest.json", *(f"{store}.db" for store in COPIED)}
    assert {"ledger", "keys"} & set(COPIED) == set()
    assert made.bytes == {store: (folder / f"{store}.db").stat().st_size for store in COPIED}
    assert (made.policy, made.sealed) == ("amazon-2019-sealed", True)
    everything = b"\0".join(file.read_bytes() for file in folder.iterdir())
    assert [key for key in raw_keys(home).values() if key in everything] == []
    assert [words for words in word_groups(home) if words in everything] == []
    assert backups.listed(home.house.stores.folder) == [made]


def test_a_backup_that_was_cut_off_is_none_and_is_cleared_away(home: Neighbourhood) -> None:
    left = home.data / "cloud/backups/.2026-03-01T080000.000000Z"
    left.mkdir(parents=True)
    (left / "primary.db").write_bytes(b"half of it")
    assert backups.listed(home.house.stores.folder) == []
    made = back_up(home.house)
    assert [folder.name for folder in left.parent.iterdir()] == [made.name]


@pytest.mark.parametrize("name", SHIPPED)
def test_no_backup_is_made_under_an_unsealed_policy_that_erases(tmp_path: Path, name: str) -> None:
    with evening(tmp_path / "data", name, shut=False) as cloud:
        with pytest.raises(CloudError, match=f'sealed = true.*based_on = "{name}"'):
            back_up(cloud.house)
        assert not (cloud.data / "cloud/backups").exists()


def test_a_folder_with_backups_does_not_open_under_a_policy_that_they_would_belie(home: Neighbourhood) -> None:
    back_up(home.house)
    with pytest.raises(CloudError, match=r"erase-everything rule 1 .* stays in backups"):
        neighbourhood(home.data, "erase-everything").__enter__()


# ---- restore --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", rarely(SHIPPED, but=OFTEN))
def test_what_was_lost_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    with evening(tmp_path / "data", name) as cloud:
        delete_one(cloud)
        back_up(cloud.house)
        before = shown(cloud)
    lose_everything(tmp_path / "data")
    with neighbourhood(tmp_path / "data", sealed(tmp_path, name)) as cloud:
        assert cloud.history() == []
    assert restored(tmp_path / "data", sealed(tmp_path, name)) == before


@pytest.mark.parametrize(("name", "deed", "lost"), CASES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_nothing_that_was_deleted_since_comes_back(
    tmp_path: Path, name: str, deed: Callable[[Neighbourhood], None], lost: bool
) -> None:
    with evening(tmp_path / "data", name) as cloud:
        back_up(cloud.house)
        full = shown(cloud)
        deed(cloud)
        before = shown(cloud)
        assert before != full
    if lost:
        lose_everything(tmp_path / "data")
    after = restored(tmp_path / "data", sealed(tmp_path, name))
    assert timeless(after) == timeless(before)


def timeless(answers: dict[str, Any]) -> str:
    """The answers without the times of deletions, which are those of the requests once they are carried out again."""
    return re.sub(r'"deleted_at": "[^"]*"', '"deleted_at": "a time"', json.dumps(answers))


def test_a_record_comes_back_only_with_its_key_and_with_no_memory_of_its_deletion(home: Neighbourhood) -> None:
    back_up(home.house)
    kept = home.data / "kept.db"
    home.house.stores.checkpoint()
    shutil.copy2(home.data / "cloud/keys.db", kept)
    erase_all(home)
    name = backups.listed(home.house.stores.folder)[-1].name
    restoring.restore(home.house, name)
    assert home.history() == []
    with closing(sqlite3.connect(home.data / "cloud/keys.db")) as keys, keys:
        keys.execute("ATTACH ? AS kept", (str(kept),))
        keys.execute("INSERT OR IGNORE INTO record_key SELECT * FROM kept.record_key")
    restoring.restore(home.house, name)
    assert home.history() == [], "had a key been kept, the scope would tell"
    with home.house.stores.write() as connection:
        connection.exec_driver_sql("DELETE FROM operations.scope")
        connection.exec_driver_sql("DELETE FROM main.entry")
    with closing(sqlite3.connect(home.data / "cloud/keys.db")) as keys, keys:
        keys.execute("ATTACH ? AS kept", (str(kept),))
        keys.execute("INSERT OR IGNORE INTO record_key SELECT * FROM kept.record_key")
    restoring.restore(home.house, name)
    assert [row["transcript"] for row in home.history()] == list(SAID), "without both it would come back"


def test_a_redacted_message_comes_back_without_its_text(tmp_path: Path) -> None:
    with evening(tmp_path / "data", "amazon-2019") as cloud:
        back_up(cloud.house)
        delete_one(cloud)
    lose_everything(tmp_path / "data")
    restored(tmp_path / "data", sealed(tmp_path))
    with neighbourhood(tmp_path / "data", sealed(tmp_path)) as cloud:
        (row,) = [row for row in cloud.left() if row.kind == "message"]
        assert (row.fields["recipient"], row.fields["text"]) == ("bob", None)


def auto_delete(cloud: Neighbourhood) -> None:
    """A household's setting, by which its recordings count as deleted as soon as a day is over; it is."""
    with cloud.house.stores.write() as connection:
        cloud.house.engine.change_setting(connection, "household", "auto_delete", "P1D")
    forward(cloud, days=1)


@pytest.mark.parametrize("deed", [erase_all, auto_delete], ids=lambda deed: deed.__name__)
def test_a_restore_puts_no_erasure_off(tmp_path: Path, deed: Callable[[Neighbourhood], None]) -> None:
    with evening(tmp_path / "data", "amazon-2019") as cloud:
        back_up(cloud.house)
        deed(cloud)
        forward(cloud, days=20)
    lose_everything(tmp_path / "data")
    restored(tmp_path / "data", sealed(tmp_path))
    with neighbourhood(tmp_path / "data", sealed(tmp_path)) as cloud:
        copies = [row for row in cloud.left() if row.store == "subsystems"]
        assert len(copies) == len(SAID), "they stay for thirty days"
        forward(cloud, days=10, minutes=1)
        assert [row for row in cloud.left() if row.store == "subsystems"] == []


def test_what_a_restore_deletes_again_is_in_the_ledger(tmp_path: Path) -> None:
    with evening(tmp_path / "data", "amazon-2019") as cloud:
        back_up(cloud.house)
        erase_all(cloud)
    lose_everything(tmp_path / "data")
    restored(tmp_path / "data", sealed(tmp_path))
    with neighbourhood(tmp_path / "data", sealed(tmp_path)) as cloud, cloud.house.stores.read() as connection:
        causes = [(row.cause, row.store, row.kind) for row in connection.execute(select(entries)).all()]
    (first,) = {cause for cause, store, kind in causes if (store, kind) == ("primary", "transcript")}
    again = {cause for cause, store, kind in causes if (store, kind) == ("actions", "alarm")} - {first}
    assert [cause.startswith(f"{first}:") for cause in again] == [True]


def test_what_is_there_stays_as_it_is_and_what_came_later_too(home: Neighbourhood) -> None:
    back_up(home.house)
    later = home.say("remember that the gate is green", at=home.house.clock.now())
    before = shown(home)
    done = restoring.restore(home.house, backups.listed(home.house.stores.folder)[-1].name)
    assert shown(home) == before
    assert later in {row["id"] for row in home.history()}
    assert not +done.records


@pytest.mark.parametrize("erases", [True, False])
def test_facts_that_were_forgotten_stay_forgotten_though_no_rule_erases_them(tmp_path: Path, erases: bool) -> None:
    policy = tmp_path / "keep.toml"
    policy.write_text(keep_everything())
    chosen = sealed(tmp_path) if erases else str(policy)
    with neighbourhood(tmp_path / "data", chosen) as cloud:
        live(cloud)
        back_up(cloud.house)
        forget(cloud)
    lose_everything(tmp_path / "data")
    with neighbourhood(tmp_path / "data", chosen) as cloud:
        restoring.restore(cloud.house, backups.listed(cloud.house.stores.folder)[-1].name)
        assert [row["transcript"] for row in cloud.history()] == list(SAID)
        assert [row.fields["text"] for row in cloud.left() if row.kind == "fact"] == ["i am allergic to walnuts"]


def test_the_key_of_what_was_lost_for_good_is_destroyed(home: Neighbourhood, tmp_path: Path) -> None:
    back_up(home.house)
    home.say("remember that the gate is green", at=home.house.clock.now(), sound=False)
    before = raw_keys(home)
    home.house.stores.checkpoint()
    shutil.copytree(home.data, tmp_path / "lost")
    lose_everything(tmp_path / "lost")
    restored(tmp_path / "lost", sealed(tmp_path))
    with neighbourhood(tmp_path / "lost", sealed(tmp_path)) as cloud:
        assert 0 < len(raw_keys(cloud)) < len(before)
        lose_everything(tmp_path / "lost")
        backups.expire(cloud.house.stores.folder, cloud.house.clock.now())
    with neighbourhood(tmp_path / "lost", sealed(tmp_path)) as cloud:
        backups.destroy_orphans(cloud.house.stores, cloud.house.keys.seal.keys)
        check_keys(cloud)


def keep_everything() -> str:
    """An unsealed policy that never erases."""
    rules = "\n".join(
        f'[[rule]]\nstore = "{store}"\nkind = "{kind}"\ntrigger = ["user_delete", "age", "inactive", "account_closed", '
        '"setting_changed", "third_party_request"]\naction = "keep"\nbecause = "for a test (assumed)"\nassumed = true\n'
        for store, kind in kinds()
    )
    return f'name = "keep"\n{rules}'


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_an_unknown_or_damaged_backup_is_refused_and_nothing_is_changed(home: Neighbourhood) -> None:
    made = back_up(home.house)
    before = shown(home)
    for name in ("2026", "..", "", "../primary.db"):
        with pytest.raises(CloudError, match="there is no backup"):
            restoring.restore(home.house, name)
    file = home.data / "cloud/backups" / made.name / "commerce.db"
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"?" * (len(whole) - 4096))
    with pytest.raises(CloudError, match="the restore is given up"):
        restoring.restore(home.house, made.name)
    file.unlink()
    with pytest.raises(CloudError, match=r"commerce.db is missing"):
        restoring.restore(home.house, made.name)
    assert shown(home) == before
    assert not (home.data / "cloud/restore.json").exists()


def test_a_backup_older_than_deletions_are_remembered_is_refused(home: Neighbourhood) -> None:
    made = back_up(home.house)
    forward(home, days=91)
    with pytest.raises(CloudError, match=r"older than deletions are remembered \(P90D\)"):
        restoring.restore(home.house, made.name)


def test_another_folders_backup_is_refused(home: Neighbourhood, tmp_path: Path) -> None:
    made = back_up(home.house)
    with neighbourhood(tmp_path / "other", sealed(tmp_path)) as other:
        shutil.copytree(home.data / "cloud/backups", other.data / "cloud/backups")
        with pytest.raises(CloudError, match="is of another folder"):
            restoring.restore(other.house, made.name)


SCHEDULED = '[backups]\nevery = "P1D"\nkeep = "P14D"\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sealed = false\n" + SCHEDULED, "what was erased stays in backups"),
        ("sealed = true\n" + SCHEDULED.replace("P14D", "P91D"), "deletions are remembered P90D"),
        ("sealed = true\n" + SCHEDULED.replace("P14D", "P3M"), "deletions are remembered P90D"),
        ("sealed = true\n" + SCHEDULED.replace("P1D", "daily"), "every 'daily' is no ISO 8601 period"),
        ('sealed = true\n[backups]\nevery = "P1D"\n', "every and keep, or not both"),
        ("sealed = true\n" + SCHEDULED + 'where = "here"\n', "other things than every and keep"),
        ('sealed = true\nbackups = "P1D"\n', "Under a .backups. line write every"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused(text: str, problem: str) -> None:
    head = 'name = "mine"\nbased_on = "amazon-2019"\n'
    with pytest.raises(BrokenPolicy, match=problem):
        policies.parse(head + text, "mine.toml")
    loaded = policies.parse(head + "sealed = true\n" + SCHEDULED, "mine.toml")
    assert loaded.sealed
    assert loaded.backups is not None
    assert str(loaded.backups.keep) == "P14D"


# ---- the schedule, and the commands ---------------------------------------------------------------------------------


def test_a_backup_is_made_each_day_and_removed_after_its_time(tmp_path: Path) -> None:
    with evening(tmp_path / "data", "amazon-2019") as cloud:
        pass
    with neighbourhood(tmp_path / "data", sealed(tmp_path, more=SCHEDULED)) as cloud:
        schedule = Schedule(cloud.house)
        times = []
        for _ in range(32):
            schedule.step()
            schedule.step()
            there: list[Backup] = backups.listed(cloud.house.stores.folder)
            now = cloud.house.clock.now()
            assert all(rfc3339(now - timedelta(days=14)) <= one.time <= rfc3339(now) for one in there)
            times.append(len(there))
            forward(cloud, hours=12, minutes=1)
        assert times[:5] == [1, 1, 2, 2, 3]
        assert times[-1] == 14


def test_serve_makes_the_backups_that_its_policy_orders(tmp_path: Path) -> None:
    policy = sealed(tmp_path, more=SCHEDULED)
    with cloud(tmp_path / "data", "--policy", policy) as running:
        (made,) = until(lambda: asked("backup", "list", "--data", tmp_path / "data"), "a backup")
        assert set(made) == {"name", "time", "policy", "sealed", "keys", "bytes"}
        done = cloud_stub("restore", made["name"], "--data", running.data)
        assert (done.returncode, "Stop it" in done.stderr) == (2, True), "not while it is served"
    done = cloud_stub("restore", made["name"], "--data", tmp_path / "data")
    assert (done.returncode, "nothing was missing" in done.stdout) == (0, True), done.stderr


def test_the_commands_make_list_and_restore(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with evening(data, "amazon-2019"):
        pass
    made = asked("backup", "--data", data)
    assert asked("backup", "list", "--data", data) == [made]
    assert len(asked("erase", "--interaction", messages()[0][0], "--data", data)["plan"]) > 2
    lose_everything(data)
    done = asked("restore", made["name"], "--data", data)
    assert done["records"]["primary/transcript"] == len(SAID) - 1
    assert done["again"] == 1
    assert [row["transcript"] for row in asked("history", "--data", data)] == list(SAID[1:])
    assert {f"{table.schema}/{table.name}" for table in RECORDS.values()} >= set(done["records"])
    assert len(CONTENT) == len(RECORDS) + 2
