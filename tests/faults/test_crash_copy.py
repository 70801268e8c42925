"""kill -9 at random moments, and a copy of all state: started from the copy, device and cloud keep what they promised.

The copy is what kill -9 leaves: either both programs are killed and copied, or both are stopped by SIGSTOP, copied, and
go on. Files copied one after the other while somebody writes to them would be torn as no crash tears them.
"""

import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from device.testing.processes import device
from tests.byte_search import searched
from tests.faults.household import ALARM, DELETE, Promises, Sent, Wire, promises, requests, wire
from tests.faults.images import check_cloud, check_device, marks, rows, started_cloud
from tests.processes import cloud, mosquitto, until
from tests.soak import SOAK

#: Random moments, and every how many of them is a kill; every how many of the copies lives on, to its last answer.
POINTS = 200 if SOAK else 20
KILLED, LIVED_IN = 5, 4

#: So many requests at most are unanswered: there is always something to do, and never an end of it.
AHEAD = 6

ALONE = ("--microphone", "none", "--no-voice")
POLICY = ("--policy", "erase-everything")


class House:
    """Cloud and device on one data folder; they can be killed and come back."""

    def __init__(self, data: Path, broker: str) -> None:
        self._data, self._broker = data, broker
        self._running = ExitStack()
        self.processes: list[subprocess.Popen[str]] = []

    def start(self) -> None:
        running = self._running.enter_context(cloud(self._data, *POLICY, broker=self._broker))
        self.processes = [
            running.process,
            self._running.enter_context(device(self._broker, self._data, *ALONE)),
        ]

    def kill(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.stop()

    def signal(self, number: signal.Signals) -> None:
        for process in self.processes:
            process.send_signal(number)
        if number == signal.SIGSTOP:
            for process in self.processes:
                until(lambda process=process: stopped(process.pid), "the process to stop")

    def stop(self) -> None:
        """Let them end in peace, those that still run."""
        self._running.close()


def stopped(pid: int) -> bool:
    """Whether all threads of that process stand still."""
    states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").iterdir()]
    return set(states) == {"T"}


class Load(threading.Thread):
    """Somebody who goes on talking."""

    def __init__(self, house: Wire, chance: Random) -> None:
        super().__init__(daemon=True)
        self._house, self._requests = house, requests(chance)
        self.ended = threading.Event()

    def run(self) -> None:
        now, taken = Promises(), 0
        while not self.ended.wait(0.05):
            for message in self._house.messages[taken:]:
                now.take(*message)
                taken += 1
            if len(now.heard) - len(now.answers) < AHEAD:
                self._house.say(next(self._requests))


@pytest.mark.timeout(3600)
def test_a_copy_of_any_moment_starts_and_keeps_every_promise(tmp_path: Path) -> None:
    chance, data = Random(16), tmp_path / "data"
    with mosquitto(tmp_path / "broker") as broker, wire(broker) as seen:
        house, load = House(data, broker), Load(seen, Random(17))
        try:
            house.start()
            seen.allow_deletions()
            seen.online()
            seen.say(ALARM)
            load.start()
            for number in range(POINTS):
                # At no promise, but anywhere in what is done for them.
                load.ended.wait(chance.uniform(0.1, 1.5))
                killed = number % KILLED == KILLED - 1
                house.kill() if killed else house.signal(signal.SIGSTOP)
                image, known = Path(shutil.copytree(data, tmp_path / f"copy-{number}")), seen.so_far()
                house.start() if killed else house.signal(signal.SIGCONT)
                check(image, known, lived_in=number % LIVED_IN == 0)
                shutil.rmtree(image)
        finally:
            load.ended.set()
            house.stop()
        done = promises(seen.so_far())
    # Otherwise nothing was put to the test.
    assert len(done.deleted()) > POINTS / 10
    assert len(done.stored()) > POINTS / 2
    assert done.alarms


def check(image: Path, known: Sequence[Sent], *, lived_in: bool) -> None:
    """The copy starts, and has what was promised by these messages."""
    if lived_in:
        known = [*known, *settled(image)]
        promised = promises(known)
        # Whatever was heard has been answered by now, and is there, or was deleted.
        assert promised.heard <= {promised.times[name] for name in promised.answers}
        kept = {name for name, text in promised.said.items() if text != DELETE} - promised.maybe_deleted()
        assert {name for (name,) in rows(image, "cloud/primary", "SELECT interaction FROM transcript")} == kept
        assert searched(image, marks(promised.said[name] for name in promised.deleted())) == set()
    else:
        promised = promises(known)
        started_cloud(image)
    check_cloud(image, promised)
    check_device(image, promised)


def settled(image: Path) -> list[Sent]:
    """Let the copy's cloud and device live, at a broker that knows nothing, until nothing is on its way any more."""
    with mosquitto(image.with_name(f"{image.name}-broker")) as broker, wire(broker) as seen:
        house = House(image, broker)
        try:
            house.start()
            seen.online()
            for name, table in (("devices/kitchen/outbox", "waiting"), ("cloud/operations", "directive")):
                count = f"SELECT count(*) FROM {table}"
                until(lambda name=name, count=count: rows(image, name, count) == [(0,)], f"no {table}", 300)
        finally:
            house.stop()
        return seen.so_far()
