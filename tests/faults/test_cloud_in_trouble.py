"""A cloud whose disk is full, whose network is cut, whose clock jumps, whose database is slow: nothing is lost."""

import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from cloud_stub.contract.messages import rfc3339
from cloud_stub.house import open_house
from cloud_stub.retention import ledger
from cloud_stub.stores.tables import RECORDS
from tests.cloud_stub.house import neighbourhood
from tests.faults.test_fleet import fleet, stored
from tests.processes import PATIENCE_S, asked, cloud, free_port, missing, mosquitto, until

SAID = 60
SIZES = ("--devices", "6", "--interactions", str(SAID), "--rate", "60/s", "--seed", "4")


def wait(process: "subprocess.Popen[str]", seconds: float) -> None:
    """Let it work for so long."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


class Proxy:
    """Loopback's own bad network: passes bytes on, until it is cut; then nobody gets through."""

    def __init__(self, to: int) -> None:
        self.port, self._to, self._open = free_port(), to, True
        self._sockets: set[socket.socket] = set()
        self._server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End every connection at once, and take none until `mend`."""
        self._open = False
        for one in list(self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._open = True

    def close(self) -> None:
        self.cut()
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                if not self._open:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._to))
                self._sockets |= {near, far}
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while received := one.recv(65536):
                other.sendall(received)
        for each in (one, other):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(broker: str) -> Iterator[tuple[Proxy, str]]:
    proxy = Proxy(int(broker.rsplit(":", 1)[1]))
    try:
        yield proxy, f"mqtt://127.0.0.1:{proxy.port}"
    finally:
        proxy.close()


def test_through_cuts_of_the_clouds_network_all_is_stored_once(tmp_path: Path) -> None:
    chance, data = random.Random(3), tmp_path / "data"
    with (
        mosquitto(tmp_path / "broker") as broker,
        proxied(broker) as (proxy, address),
        cloud(data, broker=address),
        fleet(broker, *SIZES) as process,
    ):
        for _ in range(3):
            wait(process, chance.uniform(0.2, 0.6))
            proxy.cut()
            wait(process, 0.2)
            proxy.mend()
        assert process.wait(3 * PATIENCE_S) == 0
    assert stored(data) == SAID


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of eight megabytes: one that whoever started us has mounted, or our own, which needs root."""
    if mounted := os.environ.get("RESIDUAL_ECHO_SMALL_DISK"):
        with tempfile.TemporaryDirectory(dir=mounted) as name:
            yield Path(name)
        return
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        missing("a small disk", "run as root, or mount a tmpfs and name it in RESIDUAL_ECHO_SMALL_DISK")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def check_full_disk(data: Path, log: Path, broker: str, fill: Callable[[], None], free: Callable[[], None]) -> None:
    with cloud(data, broker=broker):
        fill()
        with fleet(broker, *SIZES) as process:
            until(lambda: "cannot store" in log.read_text(), "the cloud to say that its disk is full")
            assert "Free some disk space" in log.read_text()
            assert process.poll() is None, "nothing that was not stored is answered"
            free()
            assert process.wait(3 * PATIENCE_S) == 0
    assert stored(data) == SAID
    assert asked("status", "--data", data)["quarantined"] == 0


def test_with_a_full_disk_nothing_is_answered_and_all_is_stored_once_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, mosquitto(tmp_path / "broker") as broker:
        ballast = disk / "ballast"

        def fill() -> None:
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass

        # Its log must not lie on the full disk.
        data = tmp_path / "data"
        data.symlink_to(disk)
        check_full_disk(data, tmp_path / "data-serve.log", broker, fill, ballast.unlink)


@pytest.mark.parametrize("days", [-400, 400])
def test_a_device_whose_clock_jumps_is_stored_under_the_time_that_it_says(tmp_path: Path, days: int) -> None:
    with neighbourhood(tmp_path) as house:
        now = datetime.now(UTC)
        said = [house.say("what time is it", at=at) for at in (now, now + timedelta(days=days), now)]
        rows = {row["id"]: row for row in house.history()}
        assert set(rows) == set(said)
        with house.house.stores.read() as connection:
            transcript = RECORDS["primary", "transcript"]
            times = connection.execute(select(transcript.c.at, transcript.c.received_at)).all()
        # Ages count from the cloud's clock, so what a device's says puts no erasure off and brings none forward.
        assert all(abs(datetime.fromisoformat(row.received_at) - now) < timedelta(minutes=5) for row in times)
        assert sorted(row.at for row in times)[0 if days < 0 else -1] == rfc3339(now + timedelta(days=days))


def test_a_cloud_whose_clock_is_set_back_forward_and_back_erases_nothing_early_and_keeps_its_ledger(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "tests.faults.clock"]
    for days in (0, -30, 20, -5):
        done = subprocess.run([*command, str(tmp_path), str(days)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    with open_house(tmp_path) as house, house.stores.read() as connection:
        assert len(connection.execute(select(RECORDS["primary", "transcript"].c.interaction)).all()) == 4
        assert list(ledger.verify(connection)) == []


def test_while_the_database_is_slow_messages_wait_and_all_are_stored_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with (
        mosquitto(tmp_path / "broker") as broker,
        cloud(data, broker=broker),
        open_house(data) as house,
        fleet(broker, *SIZES) as process,
    ):
        for _ in range(3):
            # As slow as somebody else's long transaction makes it: the lock is held, then let go for a moment.
            with house.stores.write():
                wait(process, 1.0)
                assert process.poll() is None
        assert process.wait(3 * PATIENCE_S) == 0
    assert stored(data) == SAID
