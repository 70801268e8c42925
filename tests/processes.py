"""What tests run that is not theirs to import: the two programs. A component that is not there is named."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from device.cloud_process import Cloud
from device.testing import processes
from device.testing.processes import PATIENCE_S, cloud, free_port, listens, until
from tests import forked

__all__ = ["PATIENCE_S", "Cloud", "cloud", "free_port", "listens", "until"]

forked.use()

REQUIRE_ALL = os.environ.get("RESIDUAL_ECHO_REQUIRE_ALL") == "1"


def missing(component: str, remedy: str) -> None:
    """Skip the test for want of a component; fail it where every component must be there."""
    text = f"{component} is not here: {remedy}"
    if REQUIRE_ALL:
        pytest.fail(text)
    pytest.skip(text)


def start_mosquitto(folder: Path, port: int, *lines: str) -> "subprocess.Popen[bytes]":
    """As device.testing's, for a test that needs it."""
    _need_mosquitto()
    return processes.start_mosquitto(folder, port, *lines)


def mosquitto(folder: Path, port: int | None = None, *lines: str) -> "contextlib.AbstractContextManager[str]":
    """As device.testing's, for a test that needs it."""
    _need_mosquitto()
    return processes.mosquitto(folder, port, *lines)


def _need_mosquitto() -> None:
    if processes.mosquitto_program() is None:
        missing("Mosquitto", "apt install mosquitto mosquitto-clients")


def cloud_stub(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run a cloud-stub command to its end."""
    return _run("cloud_stub", *arguments)


def echo_device(*arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run an echo-device command to its end."""
    return _run("device", *arguments, **environment)


def _run(module: str, *arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", module, *map(str, arguments)]
    options = {"capture_output": True, "text": True, "timeout": 110, "env": os.environ | environment}
    done: subprocess.CompletedProcess[str] = forked.run(command, **options)
    return done


def asked(*arguments: str | Path) -> Any:
    """What a cloud-stub command answers as JSON."""
    done = cloud_stub(*arguments, "--json")
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)
