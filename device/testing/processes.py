"""Broker, cloud and device as real processes of a test. Each is waited for, never slept for."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.extras import install
from device import cloud_process
from device.cloud_process import Cloud
from device.errors import EchoError

PATIENCE_S = 30.0


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens.

    Below those that systems give to clients: a client that keeps trying such a port before anybody listens there may
    be given it as its own, and then talks to itself.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    """Whether somebody listens on that port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def until(what: Callable[[], Any], description: str, patience_s: float = PATIENCE_S) -> Any:
    """The first true value of `what()`, asked again and again. Raises EchoError when patience ends."""
    deadline = time.monotonic() + patience_s
    while not (value := what()):
        if time.monotonic() > deadline:
            raise EchoError(f"waited {patience_s:.0f} s in vain for: {description}")
        time.sleep(0.02)
    return value


def mosquitto_program() -> str | None:
    """Where Mosquitto is installed, if it is."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def start_mosquitto(folder: Path, port: int, *lines: str) -> "subprocess.Popen[bytes]":
    """A real Mosquitto with persistence on that port, listening when returned; open to all unless `lines` say else.

    Raises EchoError where it is not installed or does not start.
    """
    program = mosquitto_program()
    if program is None:
        raise EchoError("Mosquitto is not here. Install it: apt install mosquitto")
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "mosquitto.conf"
    settings.write_text(
        f"listener {port} 127.0.0.1\npersistence true\npersistence_location {folder}/\n"
        f"max_queued_messages 0\nmax_inflight_messages 0\nuser root\npid_file {folder}/mosquitto.pid\n"
        + "\n".join(lines or ("allow_anonymous true",))
        + "\n"
    )
    process = subprocess.Popen([program, "-c", str(settings)], stderr=subprocess.DEVNULL)  # noqa: S603
    until(lambda: process.poll() is not None or listens(port), "Mosquitto to listen")
    if process.returncode is not None:
        raise EchoError(f"Mosquitto did not start with {settings}. Is port {port} taken?")
    return process


@contextlib.contextmanager
def mosquitto(folder: Path, port: int | None = None, *lines: str) -> Iterator[str]:
    """The same while the block runs; yields its address."""
    port = port or free_port()
    process = start_mosquitto(folder, port, *lines)
    try:
        yield str(BrokerAddress("127.0.0.1", port))
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def embedded_broker() -> Iterator[str]:
    """The broker that comes with the cloud stub, while the block runs; yields its address."""
    command = [sys.executable, "-m", "cloud_stub.broker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        address = process.stdout.readline().strip() if process.stdout else ""
        if not address:
            raise EchoError(f"the embedded broker did not start. Is it there? {install('cloud')}")
        try:
            yield address
        finally:
            process.communicate(timeout=PATIENCE_S)  # it ends with its standard input


@contextlib.contextmanager
def cloud(data: Path, *options: str, broker: str | None = None) -> Iterator[Cloud]:
    """`cloud-stub serve` on that folder, with that broker or one of its own; it logs beside the folder."""
    where = ["--broker", broker] if broker else ["--embedded-broker", "--port", "0"]
    with cloud_process.running(data, [*where, *options], data.parent / f"{data.name}-serve.log") as running:
        yield running


@contextlib.contextmanager
def device(broker: str, data: Path, *options: str, **environment: str) -> "Iterator[subprocess.Popen[str]]":
    """`echo-device run` while the block runs; what it prints goes to run.log beside the folder."""
    command = [sys.executable, "-m", "device", "run", "--broker", broker, "--data", str(data), *options]
    with (
        (data.parent / "run.log").open("a") as log,
        subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log, text=True) as process,  # noqa: S603
    ):
        try:
            yield process
        finally:
            process.terminate()
