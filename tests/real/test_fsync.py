"""strace sees each promise: what it is about was written and synced before. And a power cut that comes then.

One household says some things to a device and a cloud, both under strace; every test reads what the kernel was asked.
"""

import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from cloud_stub.contract.messages import Alert, Confirm, State, Stored, decode
from tests.byte_search import holding
from tests.faults.disk import Disk, lay_down
from tests.faults.household import ALARM, Promises, promises, requests, wire
from tests.faults.images import check_cloud, check_device, marks, rows, started_cloud
from tests.processes import mosquitto, until
from tests.soak import SOAK
from tests.traced import DISK, NETWORK, Call, Message, calls, messages, traced

#: Requests, and the power cuts that come while they are dealt with.
SAID, CUTS = (100, 200) if SOAK else (12, 20)

#: The stores that hold a thing to remember, or an alarm; and operations, which answers for it.
HOLDING = ("primary", "subsystems", "actions", "witness", "operations")

KITCHEN = "data/devices/kitchen"

#: What the programs open for writing outside their data folder.
ELSEWHERE = {Path("/dev/null")}

pytestmark = pytest.mark.timeout(3600)


@dataclass
class Watched:
    """One program's calls; `root` is the folder that had nothing in it when it began."""

    root: Path
    calls: list[Call]

    def __post_init__(self) -> None:
        self.sent, self.came = messages(self.calls), messages(self.calls, "recvfrom")

    def promised(self, moment: int) -> Promises:
        """What it had said, or been told, by that moment."""
        known = sorted((each for each in self.sent + self.came if each.begun <= moment), key=lambda each: each.begun)
        return promises([(each.topic, each.payload) for each in known if "/control/" not in each.topic])

    def synced(self, file: str, content: bytes, sent: Message) -> int | None:
        """When a sync of the file ended that came after a write of that content, and before it was sent; or None."""
        for call in self.calls:
            if content in call.data and call.name == "pwrite64" and call.file(0) == str(self.root / file):
                return self.synced_since(file, call.ended, sent)
        return None

    def synced_since(self, file: str, moment: int, sent: Message) -> int | None:
        """When the first sync of that file or folder ended that began after the moment, before it was sent; or None."""
        for call in self.calls:
            sync = call.name in {"fsync", "fdatasync"} and call.file(0) == str(self.root / file)
            if sync and moment < call.begun and call.ended < sent.begun:
                return call.ended
        return None


@dataclass
class House:
    """Its cloud and its device, watched."""

    cloud: Watched
    device: Watched


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    folder = tmp_path_factory.mktemp("house")
    data = {name: folder / name / "data" for name in ("cloud", "device")}
    for each in data.values():
        each.parent.mkdir()
    with mosquitto(folder / "broker") as broker, wire(broker) as seen:

        def watched(name: str, module: str, *options: str) -> AbstractContextManager[None]:
            command = [sys.executable, "-m", module, *options, "--broker", broker, "--data", str(data[name])]
            return traced(command, folder / f"{name}.calls", f"{DISK},{NETWORK}", folder / f"{name}.printed")

        with watched("cloud", "cloud_stub", "serve", "--json", "--no-page", "--policy", "erase-everything"):
            until((folder / "cloud.printed").read_text, "the cloud", 120)
            seen.allow_deletions()
            with watched("device", "device", "run", "--microphone", "none", "--no-voice"):
                seen.online()
                said = [ALARM, *islice(requests(Random(5)), SAID)]
                for text in said:
                    seen.say(text)
                until(lambda: len(promises(list(seen.messages)).answers) == len(said), "all to be answered", 600)
                until(lambda: promises(list(seen.messages)).alarms, "the alarm to be confirmed", 60)
                for name, table in (
                    (f"device/{KITCHEN}/outbox", "waiting"),
                    ("cloud/data/cloud/operations", "directive"),
                ):
                    count = f"SELECT count(*) FROM {table}"
                    until(lambda name=name, count=count: rows(folder, name, count) == [(0,)], f"no {table}", 60)
    return House(*(Watched(folder / name, calls(folder / f"{name}.calls")) for name in data))


def first(found: Sequence[Message], key: Callable[[Message], object]) -> list[Message]:
    """Of those with one key, the first; those whose key is None are left out."""
    kept: dict[object, Message] = {}
    for message in found:
        if (name := key(message)) is not None:
            kept.setdefault(name, message)
    return list(kept.values())


def test_before_each_stored_every_store_that_holds_the_interaction_was_synced(house: House) -> None:
    answers = first(house.cloud.sent, lambda each: each.payload if each.topic.endswith("/directive/stored") else None)
    for sent in answers:
        name = decode(Stored, sent.payload).interaction
        (arrived,) = first(
            house.cloud.came, lambda each, name=name: name if name.encode() in each.payload[:200] else None
        )
        assert arrived.begun < sent.begun
        for store in HOLDING:
            assert house.cloud.synced(f"data/cloud/{store}.db-wal", name.encode(), sent), store
    assert len(answers) > SAID / 2


def test_before_each_heard_the_outbox_and_its_folder_were_synced(house: House) -> None:
    device = house.device
    promised = device.promised(sys.maxsize)
    names = {time: name for name, time in promised.times.items()}

    def heard(message: Message) -> object:
        return decode(State, message.payload).last_heard if message.topic.endswith("/state") else None

    shown = first(device.sent, heard)
    assert len(shown) == len(promised.said)
    for sent in shown:
        name = names[heard(sent)]
        synced = device.synced(f"{KITCHEN}/outbox.db", name.encode(), sent)
        assert synced, promised.said[name]
        # SQLite's commit is the end of its journal: that its name is gone must be on the disk too.
        committed = next(each.ended for each in device.calls if each.begun > synced and each.name == "unlink")
        assert device.synced_since(KITCHEN, committed, sent)


def test_before_an_alarm_is_confirmed_the_device_has_synced_it(house: House) -> None:
    alarms = [message for message in house.device.came if message.topic.endswith("/directive/alert")]
    assert alarms
    for alarm in alarms:
        told = decode(Alert, alarm.payload)
        confirmed = next(
            each
            for each in house.device.sent
            if each.topic.endswith("/confirm") and told.id in decode(Confirm, each.payload).directives
        )
        assert house.device.synced(f"{KITCHEN}/alerts.db", told.interaction.encode(), confirmed)


@pytest.mark.parametrize("which", ["cloud", "device"])
def test_the_simulated_disk_holds_what_the_real_one_does(house: House, which: str) -> None:
    watched: Watched = getattr(house, which)
    disk = Disk(watched.root)
    for call in watched.calls:
        disk.apply(call)
    real = {
        str(file.relative_to(watched.root)): file.read_bytes() for file in watched.root.rglob("*") if file.is_file()
    }
    assert disk.now() == real
    # All was answered and confirmed: the power may go now, and nothing that was deleted comes back.
    done = watched.promised(sys.maxsize)
    gone = marks(done.said[name] for name in (done.said if which == "device" else done.deleted()))
    assert gone
    assert holding(disk.after_a_cut().items(), gone) == []


@pytest.mark.parametrize("which", ["cloud", "device"])
def test_a_power_cut_at_any_moment_breaks_no_promise(house: House, which: str, tmp_path: Path) -> None:
    watched: Watched = getattr(house, which)
    chance, disk = Random(f"cuts of the {which}"), Disk(watched.root)
    # At any call, and right after a promise: no later sync has helped it then.
    moments = {each.begun for each in chance.sample(watched.calls, CUTS // 2)}
    moments |= {each.begun for each in chance.sample(watched.sent, min(CUTS // 2, len(watched.sent)))}
    for call in watched.calls:
        disk.apply(call)
        if call.begun not in moments:
            continue
        for name, files in (
            ("killed", disk.now()),
            ("cut", disk.after_a_cut()),
            ("cut while writing", disk.after_a_cut(chance)),
        ):
            image = lay_down(files, tmp_path / f"{call.begun} {name}")
            promised = watched.promised(call.begun)
            if which == "device":
                check_device(image / "data", promised)
            elif (image / "data/cloud").is_dir():
                started_cloud(image / "data")
                check_cloud(image / "data", promised)
            else:
                assert not promised.answers, name
            shutil.rmtree(image)


@pytest.mark.parametrize("which", ["cloud", "device"])
def test_all_that_is_written_is_under_the_data_folder(house: House, which: str) -> None:
    watched: Watched = getattr(house, which)
    written = set()
    for call in watched.calls:
        if call.name == "openat" and ("O_RDWR" in call.arguments[2] or "O_WRONLY" in call.arguments[2]):
            written.add(call.path(1))
        elif call.name in {"mkdir", "mkdirat"}:
            written.add(call.path(len(call.arguments) - 2))
        elif call.name in {"rename", "link"}:
            written |= {call.path(0), call.path(1)}
    outside = {path for path in written if not path.is_relative_to(watched.root / "data")}
    assert written > outside
    # Python keeps its compiled modules beside their sources.
    assert {path for path in outside if "__pycache__" not in path.parts} <= ELSEWHERE
