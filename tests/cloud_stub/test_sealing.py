"""Sealed storage: the same answers, and no word of them in any file; a destroyed key is the end of every copy."""

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, update

from cloud_stub.answers import provenance
from cloud_stub.answers.digest import digest
from cloud_stub.answers.export import export
from cloud_stub.answers.outsiders import trainer
from cloud_stub.batch import Batch, Incoming, Origin
from cloud_stub.contract.messages import Confirm, encode, new_id, rfc3339
from cloud_stub.errors import CloudError
from cloud_stub.house import open_house
from cloud_stub.retention import policy as policies
from cloud_stub.retention.scopes import Scope
from cloud_stub.stores import sqlite
from cloud_stub.stores.tables import CONTENT, RECORDS, STORES, fields
from tests.cloud_stub.day import ID, SAID, erase_all, evening, forward, live, messages, shown
from tests.cloud_stub.house import Neighbourhood, flac, neighbourhood, sealed
from tests.soak import rarely

SHIPPED = policies.names()

#: The two ends are tested each time.
OFTEN = {"amazon-2019", "erase-everything"}
FACT, MESSAGE = RECORDS["actions", "fact"], RECORDS["actions", "message"]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Neighbourhood]:
    with evening(tmp_path / "data", "amazon-2019") as it:
        yield it


def raw_keys(cloud: Neighbourhood) -> dict[tuple[int, str], bytes]:
    """The bytes of every key, by seal and field ("" for the whole record)."""
    cloud.house.keys.seal.keys.checkpoint()
    with closing(sqlite.Files({"keys": cloud.data / "cloud/keys.db"})) as files:
        assert files.connection.execute("SELECT count(*) FROM doubt").fetchone() == (0,), "no key is in doubt"
        whole = files.connection.execute("SELECT seal, '', key FROM record_key").fetchall()
        single = files.connection.execute("SELECT seal, field, key FROM field_key").fetchall()
    return {(seal, field): key for seal, field, key in whole + single}


def seals(cloud: Neighbourhood) -> set[int]:
    """The seals of all rows; every row that has content has one."""
    with cloud.house.stores.read() as connection:
        found = [seal for table in CONTENT for seal in connection.execute(select(table.c.seal)).scalars()]
    assert None not in found
    assert len(set(found)) == len(found)
    return set(found)


def check_keys(cloud: Neighbourhood) -> None:
    """There is a key for each row, and none without one."""
    assert {seal for seal, _ in raw_keys(cloud)} == seals(cloud)


def key_file(cloud: Neighbourhood) -> bytes:
    """Every byte of the key file and its log."""
    return b"".join(file.read_bytes() for file in (cloud.data / "cloud").glob("keys.db*"))


def copied(cloud: Neighbourhood, copy: Path) -> Path:
    """A copy of all files as they are now, such as a thief or a replica would have."""
    cloud.house.stores.checkpoint()
    shutil.copytree(cloud.data, copy)
    return copy


def with_keys_of(copy: Path, cloud: Neighbourhood) -> None:
    """Give an old copy the keys that there are now."""
    cloud.house.keys.seal.keys.checkpoint()
    shutil.copy2(cloud.data / "cloud/keys.db", copy / "cloud/keys.db")


# ---- the same answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", rarely(SHIPPED, but=OFTEN))
def test_every_interface_answers_the_same_sealed_and_unsealed(tmp_path: Path, name: str) -> None:
    with evening(tmp_path / "plain", name, shut=False) as plain, evening(tmp_path / "shut", name) as shut:
        assert shown(shut) == shown(plain)
        for happens in (forget, delete_one, opt_out, redeliver, forward_a_month, erase_all, forward_a_month):
            happens(plain)
            happens(shut)
            assert shown(shut) == shown(plain), happens.__name__
            check_keys(shut)
        assert shown(plain)["actions/fact"] or name != "amazon-2019", "the comparison has something to compare"


def test_exports_and_views_are_the_same_sealed_and_unsealed(tmp_path: Path) -> None:
    plain, shut = (views(tmp_path, shut=shut) for shut in (False, True))
    assert shut == plain
    assert any("walnuts" in line for line in plain["records/actions/fact.json"])
    assert any(SAID[0] in line for line in plain["trainer"])


def views(tmp_path: Path, *, shut: bool) -> dict[str, list[str]]:
    """The lines of every view, sorted, by its name."""
    with evening(tmp_path / str(shut), "amazon-2019", shut=shut) as cloud:
        with cloud.house.stores.read() as connection:
            found = {"digest": digest(connection, cloud.house.keys.seal)}
        found["trainer"] = json.dumps(trainer(cloud.house), indent=2)
        for name, _, _ in messages():
            graph = provenance.trace(cloud.house, name)
            assert graph is not None
            found[name] = "\n".join(provenance.lines(graph))
        export(cloud.house, "household", tmp_path / f"{shut}.zip")
    with zipfile.ZipFile(tmp_path / f"{shut}.zip") as archive:
        # Fingerprints are made with a key of each folder's own; the page says once more what the other files say.
        names = [name for name in archive.namelist() if "witness" not in name and not name.endswith("html")]
        found |= {name: archive.read(name).decode("latin-1") for name in names}
    return {name: sorted(ID.sub("an id", text).replace("-sealed", "").splitlines()) for name, text in found.items()}


def forget(cloud: Neighbourhood) -> None:
    cloud.say("forget that my locker is number forty two", at=cloud.house.clock.now(), sound=False)


def delete_one(cloud: Neighbourhood) -> None:
    now = rfc3339(cloud.house.clock.now())
    cloud.house.engine.erase([Scope(new_id(), "household", now, interaction=messages()[3][0])])


def opt_out(cloud: Neighbourhood) -> None:
    with cloud.house.stores.write() as connection:
        cloud.house.engine.change_setting(connection, "household", "use_for_improvement", "no")
    cloud.house.stores.checkpoint()


def redeliver(cloud: Neighbourhood) -> None:
    cloud.ingest.handle([message for _, said, sound in messages() for message in (said, sound)])


def forward_a_month(cloud: Neighbourhood) -> None:
    forward(cloud, days=31)


# ---- no word in any file --------------------------------------------------------------------------------------------


def word_groups(cloud: Neighbourhood) -> set[bytes]:
    """Each two words in a row of what was said and answered."""
    texts = [row[name] for row in cloud.history() for name in ("transcript", "response")]
    return {
        f"{first} {second}".encode()
        for text in [*texts, "counter seventeen", "torn in two"]
        for first, second in zip(text.split(), text.split()[1:], strict=False)
    }


def found_in(cloud: Neighbourhood) -> set[bytes]:
    """The word groups and the pieces of recordings that any file but the key file holds."""
    sounds = [flac(seed=number) for number in range(len(SAID))]
    pieces = word_groups(cloud) | {sound[place : place + 64] for sound in sounds for place in (200, 2000)}
    everything = b"\0".join(content for name, content in cloud.files().items() if "keys.db" not in name)
    return {piece for piece in pieces if piece in everything}


def test_no_file_but_the_keys_tells_a_word_of_what_was_said(cloud: Neighbourhood) -> None:
    redeliver(cloud)
    cloud.say("what am i allergic to", at=cloud.house.clock.now())
    logs = [content for name, content in cloud.files().items() if name.endswith("-wal")]
    assert any(logs), "the logs are searched too"
    assert found_in(cloud) == set()
    cloud.house.stores.checkpoint()
    assert found_in(cloud) == set()


def test_the_search_for_words_finds_them_where_they_are(tmp_path: Path) -> None:
    with evening(tmp_path / "data", "amazon-2019", shut=False) as cloud:
        wanted = word_groups(cloud)
        assert found_in(cloud) >= wanted
        assert len(found_in(cloud)) == len(wanted) + 2 * len(SAID)


# ---- a destroyed key ------------------------------------------------------------------------------------------------


def test_after_an_erasure_the_key_file_holds_no_byte_of_the_old_keys(cloud: Neighbourhood) -> None:
    before, rows = raw_keys(cloud), seals(cloud)
    erase_all(cloud)
    gone = rows - seals(cloud)
    assert gone
    bytes_left = key_file(cloud)
    assert [seal for (seal, _), key in before.items() if seal in gone and key in bytes_left] == []
    kept = [key for (seal, _), key in before.items() if seal in seals(cloud)]
    assert any(key in bytes_left for key in kept), "keys are found where they are"


def test_an_old_copy_cannot_be_read_once_its_records_are_erased(cloud: Neighbourhood, tmp_path: Path) -> None:
    copy, policy = copied(cloud, tmp_path / "copy"), sealed(tmp_path)
    with neighbourhood(copy, policy) as theirs:
        assert [row["transcript"] for row in theirs.history()] == list(SAID), "with its keys it can"
    erase_all(cloud)
    with_keys_of(copy, cloud)
    with neighbourhood(copy, policy) as theirs:
        assert theirs.history() == []
        primary = [row for row in theirs.left() if row.store == "primary"]
        assert primary, "the rows are there"
        assert {(str(row.fields), row.rule) for row in primary} == {("{}", "sealed, and its key destroyed")}
        facts = [row.fields["text"] for row in theirs.left() if row.kind == "fact"]
        assert "i am allergic to walnuts" in facts, "what a rule keeps can be read in a copy too"


def test_a_redacted_field_is_gone_in_every_copy_and_the_others_are_not(cloud: Neighbourhood, tmp_path: Path) -> None:
    copy = copied(cloud, tmp_path / "copy")
    (key,) = [key for (seal, _), key in raw_keys(cloud).items() if seal in seals_of(cloud, MESSAGE)]
    delete_one(cloud)
    for name in ("", "text"):
        assert (*seals_of(cloud, MESSAGE), name) not in raw_keys(cloud)
    assert key not in key_file(cloud)
    with_keys_of(copy, cloud)
    with neighbourhood(copy, sealed(tmp_path)) as theirs:
        for one in (theirs, cloud):
            (row,) = [row for row in one.left() if row.kind == "message"]
            assert (row.fields["recipient"], row.fields["text"]) == ("bob", None)


def seals_of(cloud: Neighbourhood, table: object) -> list[int]:
    with cloud.house.stores.read() as connection:
        return list(connection.execute(select(table.c.seal)).scalars())  # type: ignore[attr-defined]


def confirm_all(cloud: Neighbourhood) -> None:
    confirmed = Confirm(directives=[one.id for one in cloud.directives()])
    cloud.ingest.handle([Incoming("echo/v1/kitchen/event/confirm", encode(confirmed))])


def close_account(cloud: Neighbourhood) -> None:
    cloud.house.engine.close_account("household")


def delete_by_voice(cloud: Neighbourhood) -> None:
    cloud.say("delete everything i said today", at=cloud.house.clock.now(), sound=False)


def say_it_twice(cloud: Neighbourhood) -> None:
    """The memory of having answered is lost: the records are there, and are not written again."""
    with cloud.house.stores.write() as connection:
        connection.exec_driver_sql("DELETE FROM operations.seen")
    redeliver(cloud)


def begin_and_fail(cloud: Neighbourhood) -> None:
    seal, origin = cloud.house.keys.seal, Origin("household", "kitchen", new_id(), "2026-03-02", "2026-03-02")
    with cloud.house.stores.write() as connection:
        batch = Batch(connection, seal)
        batch.record("actions", "fact", origin, text="never said")
        batch.flush()
        seal.erase(connection, MESSAGE, MESSAGE.c.account == "household")
        seal.redact(connection, FACT, ["text"], FACT.c.account == "household")
        raise ZeroDivisionError


def fail(cloud: Neighbourhood) -> None:
    """A batch that does not get to its commit."""
    with pytest.raises(ZeroDivisionError):
        begin_and_fail(cloud)
    with cloud.house.stores.write():
        pass
    assert [row.fields["text"] for row in cloud.left() if row.kind == "message"] == ["i am running late"]


HAPPENS = (
    *(delete_one, erase_all, delete_by_voice, forget, opt_out, forward_a_month),
    *(confirm_all, close_account, say_it_twice, fail),
)


@pytest.mark.parametrize("happens", HAPPENS, ids=lambda happens: happens.__name__)
@pytest.mark.parametrize("name", ["amazon-2019", "ftc-2023"])
def test_there_is_a_key_for_each_row_and_for_nothing_else(
    tmp_path: Path, name: str, happens: Callable[[Neighbourhood], None]
) -> None:
    with evening(tmp_path / "data", name) as cloud:
        check_keys(cloud)
        before, rows = raw_keys(cloud), seals(cloud)
        happens(cloud)
        check_keys(cloud)
        bytes_left = key_file(cloud)
        gone = rows - seals(cloud)
        assert [seal for (seal, _), key in before.items() if seal in gone and key in bytes_left] == []
        assert [row for row in cloud.left() if row.rule is None] == []


def test_what_is_pseudonymised_keeps_its_content_and_its_key(tmp_path: Path) -> None:
    text = (policies.SHIPPED / "amazon-2019.toml").read_text("utf-8").replace("sealed = false", "sealed = true")
    rule = 'kind = ["alarm", "reminder", "meeting", "timer", "fact", "list_item"]\ntrigger = "user_delete"\naction = '
    assert rule in text
    file = tmp_path / "renaming.toml"
    file.write_text(text.replace(rule + '"keep"', rule + '"pseudonymise"'))
    with neighbourhood(tmp_path / "data", str(file)) as cloud:
        live(cloud)
        before = set(seals_of(cloud, FACT))
        erase_all(cloud)
        with cloud.house.stores.read() as connection:
            rows = cloud.house.keys.seal.opened(FACT, connection.execute(select(FACT)).mappings())
        assert {row["text"] for row in rows} == {"i am allergic to walnuts", "my locker is number forty two"}
        assert all(row["account"].startswith("~") for row in rows)
        assert set(seals_of(cloud, FACT)) == before
        check_keys(cloud)


# ---- what is not as it was written ----------------------------------------------------------------------------------


def test_content_that_was_moved_or_changed_does_not_open(cloud: Neighbourhood) -> None:
    with cloud.house.stores.write() as connection:
        fact = connection.execute(select(FACT.c.seal, FACT.c.text)).first()
        assert fact is not None
        connection.execute(update(MESSAGE).values(seal=fact.seal, text=fact.text))
    with pytest.raises(CloudError, match=r"actions/message has a field recipient that its key does not open"):
        cloud.left()
    with cloud.house.stores.write() as connection:
        connection.execute(update(MESSAGE).values(recipient=None, sent_at=None))
    with pytest.raises(CloudError, match=r"has a field text that its key does not open.*cloud-stub restore"):
        cloud.left()


@pytest.mark.parametrize("shut_first", [False, True])
def test_a_folder_stays_sealed_or_unsealed_and_says_so(tmp_path: Path, shut_first: bool) -> None:
    first, second = ("amazon-2019", sealed(tmp_path, "ftc-2023"))[:: -1 if shut_first else 1]
    data = tmp_path / "data"
    with neighbourhood(data, first) as cloud:
        said = cloud.say("what time is it")
    with pytest.raises(CloudError, match=r"are (not )?sealed.*Choose a policy with sealed = (true|false)"):
        open_house(data, second).__enter__()
    with open_house(data) as house:
        assert house.policy.name == policies.load(first).name, "the refused policy is not remembered"
    with neighbourhood(data, first) as cloud:
        assert [row["id"] for row in cloud.history()] == [said]


def test_without_its_key_file_a_sealed_folder_is_refused(cloud: Neighbourhood, tmp_path: Path) -> None:
    copy = copied(cloud, tmp_path / "copy")
    for file in (copy / "cloud").glob("keys.db*"):
        file.unlink()
    with pytest.raises(CloudError, match="does not have the keys of the records here"):
        open_house(copy).__enter__()


def test_every_field_that_can_hold_words_is_sealed() -> None:
    readable = {name for table in RECORDS.values() for name in fields(table) if name not in CONTENT[table]}
    assert readable == {"partner", "status"}
    assert {table.name for table in CONTENT if table not in RECORDS.values()} == {"directive", "quarantine"}
    assert all(table.schema in STORES for table in CONTENT)
