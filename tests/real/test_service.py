"""Run by a service manager, both programs say that they work, and nothing of what people say gets into a log."""

import contextlib
import fcntl
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_stub.contract.service_notice import ServiceNotice
from device.spoken_requests import FOLDER
from device.testing.processes import device as running
from device.testing.remote import remote
from tests.processes import PATIENCE_S, asked, cloud, mosquitto, until

EVERY_S = 0.5
WATCHED = {"WATCHDOG_USEC": str(round(EVERY_S * 1e6))}


class Manager:
    """The service manager's side: a local socket to which notices come."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)

    def next(self, patience_s: float = PATIENCE_S) -> str:
        """What is said next; empty where nothing is said for so long."""
        self._socket.settimeout(patience_s)
        with contextlib.suppress(TimeoutError):
            return self._socket.recv(100).decode()
        return ""

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.close()


def test_the_device_is_ready_then_alive_then_stops(tmp_path: Path, manager: Manager) -> None:
    environment = WATCHED | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    with (
        mosquitto(tmp_path / "broker") as broker,
        running(broker, tmp_path / "data", "--microphone", "none", **environment) as device,
    ):
        assert [manager.next() for _ in range(4)] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]
        device.terminate()
        until(lambda: manager.next() == "STOPPING=1", "the device to say that it stops")


def test_the_cloud_is_ready_then_alive_then_stops(
    tmp_path: Path, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (WATCHED | {"NOTIFY_SOCKET": str(tmp_path / "notify")}).items():
        monkeypatch.setenv(name, value)
    with cloud(tmp_path / "data"):
        assert [manager.next() for _ in range(4)] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]
    until(lambda: manager.next() == "STOPPING=1", "the cloud to say that it stops")


def test_a_device_whose_loop_hangs_says_nothing(tmp_path: Path, manager: Manager) -> None:
    """It hangs where it writes into a pipe that nobody empties."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    with mosquitto(tmp_path / "broker") as broker, remote(broker) as person:
        command = ["run", "--broker", broker, "--data", str(tmp_path / "data"), "--microphone", "none", "--no-voice"]
        environment = os.environ | WATCHED | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with subprocess.Popen(
            [sys.executable, "-m", "device", *command], stdout=write, stderr=write, env=environment
        ) as device:
            os.close(write)
            try:
                person.online()
                assert manager.next() == "READY=1"
                for _ in range(300):
                    person.command("speak", {"text": "good morning"})
                # As long as it works it is never silent for long; once it hangs it is, for good.
                until(lambda: not manager.next(6 * EVERY_S), "the device to fall silent")
                assert not manager.next(6 * EVERY_S)
                assert device.poll() is None
                os.set_blocking(read, False)
                until(lambda: _emptied(read) and manager.next(EVERY_S), "the device to go on, and to say so")
            finally:
                os.close(read)
                device.kill()


def _emptied(pipe: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        while os.read(pipe, 65536):
            pass
    return True


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_a_notice_goes_to_the_address_that_the_manager_gives(tmp_path: Path, kind: str) -> None:
    name = str(tmp_path / "notify") if kind == "path" else f"@residual-echo-{os.getpid()}"
    manager = Manager(name.replace("@", "\0"))
    ServiceNotice({"NOTIFY_SOCKET": name}).stopping()
    assert manager.next() == "STOPPING=1"
    manager.close()


def test_who_is_watched_is_told_by_its_number(tmp_path: Path, manager: Manager) -> None:
    """The variables are inherited: a program that a service starts is not the one that is watched."""
    watched = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1", "WATCHDOG_PID": str(os.getppid())}
    notice = ServiceNotice(watched)
    for _ in range(3):
        notice.alive()
    notice.stopping()
    assert [manager.next() for _ in range(3)] == ["READY=1", "WATCHDOG=1", "STOPPING=1"]


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "vsock:2:1234"])
def test_a_manager_that_is_not_there_is_no_reason_to_fail(address: str) -> None:
    notice = ServiceNotice({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1"})
    notice.alive()
    assert notice.stopping() is None


def test_what_people_say_is_in_no_log(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with (
        cloud(data, "--simulated-clock", "--time-zone", "UTC") as server,
        remote(server.broker) as person,
        running(server.broker, data, "--microphone", "none", "--no-voice", "--log-level", "debug"),
    ):
        person.online()
        said = [
            person.say("remind me to call my grandmother tomorrow at nine a m"),
            person.play(FOLDER / "10_walnuts.flac"),
            person.say("what am i allergic to"),
        ]
        person.command("say", b'{"text": 5, "walnuts": "allergic"}')
        person.command("speak", {"text": "good morning grandmother"})
        asked("advance", "P2D", "--data", data)
        log = tmp_path / "run.log"
        until(lambda: "ring    reminder, due 09:00." in log.read_text(), "the reminder to ring")
        until(lambda: "speaks what came by control/speak" in log.read_text(), "the device to speak")
    texts = [log.read_text(), (tmp_path / "data-serve.log").read_text()]
    assert said[0].response, "it was answered with words"
    assert all(exchange.interaction.id in texts[0] for exchange in said)
    for word in ("grandmother", "walnut", "allergic", "remember", "morning"):
        assert not [text for text in texts if word in text.casefold()], word


def test_on_a_terminal_people_see_what_they_said(tmp_path: Path) -> None:
    with cloud(tmp_path / "data") as server, remote(server.broker) as person:
        ours, theirs = pty.openpty()
        command = ["run", "--broker", server.broker, "--data", str(tmp_path / "data"), "--microphone", "none"]
        with subprocess.Popen(
            [sys.executable, "-m", "device", *command, "--no-voice", "--once"],
            stdout=theirs,
            stderr=subprocess.DEVNULL,
        ):
            os.close(theirs)
            person.online()
            person.say("what time is it")
            shown = b""
            with contextlib.suppress(OSError):  # a terminal whose last program has ended is no file's end
                while part := os.read(ours, 4096):
                    shown += part
        os.close(ours)
    assert b"heard   what time is it" in shown
