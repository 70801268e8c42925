"""What was heard waits here, in order, through any crash, until it is answered; then no byte of it is left."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stub.contract.messages import Interaction, Part, decode, new_id
from device.errors import EchoError
from device.outbox import Outbox

AT = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SOUND = b"fLaC" + b"the sound of it" * 2000


def said(text: str = "what time is it", **changes: str) -> Interaction:
    return Interaction(
        id=changes.get("id", new_id(AT)), device="kitchen", at=AT, source="text", wake_word="alexa", transcript=text
    )


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    it = Outbox(tmp_path)
    yield it
    it.close()


def found(folder: Path, *needles: bytes) -> set[tuple[str, bytes]]:
    """Which of the needles are in which files of the folder."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {(file.name, needle) for file in files for needle in needles if needle in file.read_bytes()}


def parts(outbox: Outbox) -> list[tuple[str, str]]:
    return [(message.interaction, message.part) for message in outbox.waiting(1000)]


def test_a_new_outbox_is_empty(outbox: Outbox) -> None:
    assert (len(outbox), outbox.waiting()) == (0, [])


def test_what_waits_is_what_was_put_each_part_on_its_own_topic(outbox: Outbox) -> None:
    heard = said()
    outbox.put(heard, SOUND)
    interaction, recording = outbox.waiting()
    assert interaction.topic == "echo/v1/kitchen/event/interaction"
    assert decode(Interaction, interaction.payload) == heard
    assert recording.topic == f"echo/v1/kitchen/event/recording/{heard.id}"
    assert recording.payload == SOUND
    assert [(message.part, message.interaction) for message in (interaction, recording)] == [
        ("interaction", heard.id),
        ("recording", heard.id),
    ]


def test_an_interaction_without_a_recording_is_one_message(outbox: Outbox) -> None:
    heard = said()
    outbox.put(heard, None)
    assert parts(outbox) == [(heard.id, "interaction")]


def test_what_was_heard_first_is_sent_first(outbox: Outbox) -> None:
    # The ids are not in the order of hearing: a device's clock may be set back.
    heard = [said(id=new_id(datetime(2026, 11, day, tzinfo=UTC))) for day in (5, 3, 9, 1)]
    for interaction in heard:
        outbox.put(interaction, SOUND)
    assert parts(outbox) == [(one.id, part) for one in heard for part in ("interaction", "recording")]
    assert [message.interaction for message in outbox.waiting(limit=3)] == [heard[0].id, heard[0].id, heard[1].id]


def test_the_order_survives_closing_and_forgetting(tmp_path: Path) -> None:
    heard = [said() for _ in range(3)]
    outbox = Outbox(tmp_path)
    for interaction in heard:
        outbox.put(interaction, None)
    outbox.forget(heard[2].id, None)
    outbox.close()
    outbox = Outbox(tmp_path)
    last = said()
    outbox.put(last, None)
    assert [message.interaction for message in outbox.waiting()] == [heard[0].id, heard[1].id, last.id]
    outbox.close()


def test_a_number_is_never_given_twice(outbox: Outbox) -> None:
    numbers = []
    for _ in range(3):
        heard = said()
        outbox.put(heard, None)
        numbers += [message.number for message in outbox.waiting()]
        outbox.forget(heard.id, None)
    assert len(set(numbers)) == 3


@pytest.mark.parametrize(("answered", "left"), [("interaction", "recording"), ("recording", "interaction")])
def test_an_answer_for_one_part_forgets_that_part_only(outbox: Outbox, answered: Part, left: Part) -> None:
    heard, other = said(), said()
    outbox.put(heard, SOUND)
    outbox.put(other, SOUND)
    outbox.forget(heard.id, answered)
    assert parts(outbox) == [(heard.id, left), (other.id, "interaction"), (other.id, "recording")]
    assert len(outbox) == 3


def test_an_answer_for_all_of_an_interaction_forgets_all_of_it(outbox: Outbox) -> None:
    heard, other = said(), said()
    outbox.put(heard, SOUND)
    outbox.put(other, None)
    outbox.forget(heard.id, None)
    assert parts(outbox) == [(other.id, "interaction")]


def test_an_answer_that_comes_again_or_for_something_unknown_changes_nothing(outbox: Outbox) -> None:
    heard = said()
    outbox.put(heard, SOUND)
    outbox.forget(heard.id, "recording")
    outbox.forget(heard.id, "recording")
    outbox.forget(new_id(), None)
    outbox.forget("", None)
    assert parts(outbox) == [(heard.id, "interaction")]


@pytest.mark.parametrize("closed", [False, True])
def test_after_the_answer_no_byte_of_it_is_in_any_file(tmp_path: Path, closed: bool) -> None:
    outbox = Outbox(tmp_path)
    kept = said("the kept words")
    outbox.put(kept, b"the kept sound")
    heard = [said(f"the zebra is loose {number}") for number in range(20)]
    for number, interaction in enumerate(heard):
        outbox.put(interaction, f"sound number {number};".encode() * 3000)
    needles = [b"the zebra is loose", *(b"sound number %d;" % number for number in range(20))]
    needles += [interaction.id.encode() for interaction in heard]
    assert {needle for _, needle in found(tmp_path, *needles)} == set(needles)
    for interaction in heard[:10]:
        outbox.forget(interaction.id, None)
    for interaction in heard[10:]:
        outbox.forget(interaction.id, "recording")
        outbox.forget(interaction.id, "interaction")
    if closed:
        outbox.close()
    assert found(tmp_path, *needles) == set()
    assert found(tmp_path, b"the kept words", b"the kept sound")
    outbox.close()


def test_after_one_part_is_answered_no_byte_of_that_part_is_in_any_file(outbox: Outbox, tmp_path: Path) -> None:
    heard = said("the zebra is loose")
    outbox.put(heard, SOUND)
    outbox.forget(heard.id, "recording")
    assert found(tmp_path, SOUND[4:40]) == set()
    assert found(tmp_path, b"the zebra is loose") == {("outbox.db", b"the zebra is loose")}


@given(
    waiting=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 3000)), min_size=1, max_size=25),
    seed=st.integers(0, 2**32),
)
def test_whatever_is_forgotten_in_whatever_order_leaves_nothing_and_takes_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, waiting: list[tuple[int, int]], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("outbox")
    outbox, random = Outbox(folder), Random(seed)
    outbox._database.execute("PRAGMA synchronous=off")  # no power cut here, only many files
    marks = [(f"words{number:04}.", f"sound{number:04}.") for number in range(len(waiting))]
    heard = [said(words * long) for (words, _), (long, _) in zip(marks, waiting, strict=True)]
    for interaction, (_, sound), (_, loud) in zip(heard, marks, waiting, strict=True):
        outbox.put(interaction, sound.encode() * loud)
    gone = random.sample(range(len(heard)), random.randrange(len(heard) + 1))
    for number in gone:
        outbox.forget(heard[number].id, None)
    needles = {mark.encode() for number in gone for mark in marks[number]}
    assert found(folder, *needles) == set()
    assert [message.interaction for message in outbox.waiting(1000) if message.part == "interaction"] == [
        interaction.id for number, interaction in enumerate(heard) if number not in gone
    ]
    outbox.close()


#: Hears for ever; says so after each `put` that has returned.
HEARING = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from cloud_stub.contract.messages import Interaction, new_id
from device.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]))
while True:
    at = datetime.now(UTC)
    heard = Interaction(id=new_id(at), device="kitchen", at=at, source="text", wake_word="alexa", transcript="stop")
    outbox.put(heard, heard.id.encode() * int(sys.argv[2]))
    print(heard.id, flush=True)
"""


@pytest.mark.parametrize("seed", range(6))
def test_what_put_has_taken_outlives_a_killed_process_and_nothing_is_there_by_half(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    told, size = random.randrange(1, 40), random.choice([1, 100, 5000])
    command = [sys.executable, "-c", HEARING, str(tmp_path), str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as device:
        assert device.stdout is not None
        ids = [device.stdout.readline().strip() for _ in range(told)]
        device.kill()
        ids += device.stdout.read().split()
    assert device.returncode == -signal.SIGKILL
    outbox = Outbox(tmp_path)
    waiting = outbox.waiting(100_000)
    interactions = [message.interaction for message in waiting if message.part == "interaction"]
    recordings = {message.interaction: message.payload for message in waiting if message.part == "recording"}
    # One more may be there: taken, and killed before it was said.
    assert interactions[: len(ids)] == ids
    assert len(interactions) - len(ids) in {0, 1}
    assert recordings == {name: name.encode() * size for name in interactions}
    assert outbox._database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    outbox.close()


def test_a_commit_is_on_the_disk_with_its_folder_when_put_returns(outbox: Outbox) -> None:
    # sqlite.org/pragma.html#pragma_synchronous
    assert outbox._database.execute("PRAGMA synchronous").fetchone() == (3,)


def test_deleted_rows_are_zeroed_and_no_log_outlives_a_commit(outbox: Outbox, tmp_path: Path) -> None:
    assert outbox._database.execute("PRAGMA secure_delete").fetchone() == (1,)
    assert outbox._database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    outbox.put(said(), SOUND)
    assert [file.name for file in tmp_path.iterdir()] == ["outbox.db"]


def test_an_interaction_that_cannot_be_taken_whole_is_not_taken_at_all(outbox: Outbox) -> None:
    outbox._database.execute(
        "CREATE TRIGGER full BEFORE INSERT ON waiting WHEN new.part = 'recording'"
        " BEGIN SELECT raise(ABORT, 'database or disk is full'); END"
    )
    with pytest.raises(EchoError, match=r"cannot take what was heard: database or disk is full\. Free some disk"):
        outbox.put(said(), SOUND)
    assert len(outbox) == 0


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "devices" / "kitchen")
    outbox.put(said(), None)
    outbox.close()
    assert (tmp_path / "devices" / "kitchen" / "outbox.db").is_file()


def a_file_in_the_way(folder: Path) -> Path:
    (folder / "devices").write_text("not a folder")
    return folder / "devices" / "kitchen"


def a_folder_in_the_way(folder: Path) -> Path:
    (folder / "outbox.db").mkdir()
    return folder


def no_database(folder: Path) -> Path:
    (folder / "outbox.db").write_text("This is no database, and longer than a header of one hundred bytes. " * 4)
    return folder


@pytest.mark.parametrize("spoil", [a_file_in_the_way, a_folder_in_the_way, no_database])
def test_a_folder_that_cannot_be_used_is_named_with_the_remedy(tmp_path: Path, spoil: object) -> None:
    assert callable(spoil)
    folder = spoil(tmp_path)
    with pytest.raises(EchoError, match=r"Choose another --data\.$") as refused:
        Outbox(folder)
    assert str(refused.value).startswith(f"the outbox in {folder} cannot be opened: ")
    assert "\n" not in str(refused.value)


def test_another_process_that_looks_in_does_not_stop_it(outbox: Outbox, tmp_path: Path) -> None:
    outbox.put(said(), None)
    other = Outbox(tmp_path)
    assert len(other) == 1
    outbox.put(said(), None)
    assert len(other) == 2
    other.close()


def hear(outbox: Outbox, *ages: timedelta, sound: int = 1000) -> list[str]:
    heard = [said(id=new_id(AT - age)) for age in ages]
    for interaction in heard:
        outbox.put(interaction, bytes(sound))
    return [interaction.id for interaction in heard]


def test_what_waited_too_long_is_dropped_whole_and_counted(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, longest=timedelta(days=30))
    old, young = hear(outbox, timedelta(days=30, seconds=1), timedelta(days=29))
    assert outbox.drop(AT) == [old]
    assert parts(outbox) == [(young, "interaction"), (young, "recording")]
    assert outbox.drop(AT) == []
    assert outbox.untold() == 1
    outbox.close()


def test_what_is_too_much_is_dropped_oldest_first_and_no_more_than_needed(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, most_bytes=40_000)
    heard = hear(outbox, *[timedelta()] * 10, sound=9_000)
    assert outbox.drop(AT) == heard[:6]
    assert {message.interaction for message in outbox.waiting(100)} == set(heard[6:])
    assert found(tmp_path, *(name.encode() for name in heard[:6])) == set()
    outbox.close()


def test_within_the_bounds_nothing_is_dropped(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, longest=timedelta(days=1), most_bytes=40_000)
    hear(outbox, timedelta(hours=23), timedelta(hours=1))
    assert outbox.drop(AT) == []
    assert outbox.untold() == 0
    outbox.close()


def test_how_many_were_dropped_is_known_after_a_restart_until_it_was_told(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, most_bytes=4_000)
    hear(outbox, *[timedelta()] * 5)
    assert len(outbox.drop(AT)) == 2
    outbox.close()
    outbox = Outbox(tmp_path)
    assert outbox.untold() == 2
    outbox.told(2)
    outbox.close()
    outbox = Outbox(tmp_path)
    assert outbox.untold() == 0
    outbox.close()


def test_where_the_disk_does_not_let_it_forget_it_goes_on_and_forgets_later(outbox: Outbox) -> None:
    heard = said()
    outbox.put(heard, SOUND)
    outbox._database.execute(
        "CREATE TRIGGER full BEFORE DELETE ON waiting BEGIN SELECT raise(ABORT, 'database or disk is full'); END"
    )
    outbox.forget(heard.id, None)
    assert len(outbox) == 2
    outbox._database.execute("DROP TRIGGER full")
    outbox.forget(heard.id, None)
    assert len(outbox) == 0
