"""Real processes for tests: Mosquitto, cloud-stub, echo-device. Each is waited for, never slept for."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REQUIRE_ALL = os.environ.get("RESIDUAL_ECHO_REQUIRE_ALL") == "1"
PATIENCE_S = 30.0


def missing(component: str, remedy: str) -> None:
    """Skip the test for want of a component; fail it where every component must be there."""
    text = f"{component} is not here: {remedy}"
    if REQUIRE_ALL:
        pytest.fail(text)
    pytest.skip(text)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(what: Callable[[], Any], description: str, patience_s: float = PATIENCE_S) -> Any:
    """The first true value of `what()`, asked again and again; fails the test when patience ends."""
    deadline = time.monotonic() + patience_s
    while not (value := what()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {patience_s:.0f} s in vain for: {description}")
        time.sleep(0.02)
    return value


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def start_mosquitto(folder: Path, port: int, *lines: str) -> "subprocess.Popen[bytes]":
    """A real Mosquitto with persistence on that port, listening when returned; open to all unless `lines` say else."""
    found = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        missing("Mosquitto", "apt install mosquitto mosquitto-clients")
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "mosquitto.conf"
    settings.write_text(
        f"listener {port} 127.0.0.1\npersistence true\npersistence_location {folder}/\n"
        f"max_queued_messages 0\nmax_inflight_messages 0\nuser root\npid_file {folder}/mosquitto.pid\n"
        + "\n".join(lines or ("allow_anonymous true",))
        + "\n"
    )
    process = subprocess.Popen([str(found), "-c", str(settings)], stderr=subprocess.DEVNULL)
    until(lambda: listens(port), "Mosquitto to listen")
    return process


@contextlib.contextmanager
def mosquitto(folder: Path, port: int | None = None, *lines: str) -> Iterator[str]:
    """The same while the block runs; yields its address."""
    port = port or free_port()
    process = start_mosquitto(folder, port, *lines)
    try:
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


class Cloud:
    """A running `cloud-stub serve`."""

    def __init__(self, process: "subprocess.Popen[str]", ready: dict[str, Any], data: Path) -> None:
        self.process, self.data = process, data
        self.broker: str = ready["broker"]
        #: The page's link of each account; empty without `--http`.
        self.links: dict[str, str] = ready["page"]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def cloud(data: Path, *options: str, broker: str | None = None) -> Iterator[Cloud]:
    """`cloud-stub serve` on that folder, with that broker or one of its own; ready when yielded.

    Without the page, which takes a while to load, unless `--http` is among the options.
    """
    where = ["--broker", broker] if broker else ["--embedded-broker", "--port", "0"]
    page = [] if "--http" in options else ["--no-page"]
    command = [sys.executable, "-m", "cloud_stub", "serve", "--data", str(data), "--json", *where, *page, *options]
    log = data.parent / f"{data.name}-serve.log"
    with (
        log.open("a") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            line = process.stdout.readline() if process.stdout else ""
            assert line, f"cloud-stub serve did not start: {log.read_text()}"
            yield Cloud(process, json.loads(line), data)
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                pytest.fail("cloud-stub serve did not stop when asked to")


def cloud_stub(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run a cloud-stub command to its end."""
    return _run("cloud_stub", *arguments)


def echo_device(*arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run an echo-device command to its end."""
    return _run("device", *arguments, **environment)


def _run(module: str, *arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env=os.environ | environment,
    )


def asked(*arguments: str | Path) -> Any:
    """What a cloud-stub command answers as JSON."""
    done = cloud_stub(*arguments, "--json")
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)
