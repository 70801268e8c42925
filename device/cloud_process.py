"""`cloud-stub` as a process: the device's commands that need a cloud start one and read its JSON."""

import contextlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from device.errors import EchoError


def ask(data: Path, *arguments: str) -> Any:
    """What a `cloud-stub` command says about that data folder, as JSON. Raises EchoError with its complaint."""
    command = [sys.executable, "-m", "cloud_stub", *arguments, "--data", str(data), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    if done.returncode not in {0, 1}:
        raise EchoError(done.stderr.strip() or f"cloud-stub {arguments[0]} ended with exit code {done.returncode}")
    return json.loads(done.stdout)


def show(data: Path, *arguments: str) -> None:
    """Let a `cloud-stub` command print to our standard output, as a person would run it."""
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "cloud_stub", *arguments, "--data", str(data)], check=False)  # noqa: S603


@contextlib.contextmanager
def running(data: Path, options: Sequence[str]) -> Iterator[str]:
    """A `cloud-stub serve` on that folder while the block runs; yields its broker's address.

    Raises EchoError where the cloud is not installed or does not start.
    """
    if importlib.util.find_spec("sqlalchemy") is None or importlib.util.find_spec("hassil") is None:
        raise EchoError("the cloud stub is not installed. Install it with: pip install 'residual-echo[cloud]'")
    command = [sys.executable, "-m", "cloud_stub", "serve", "--data", str(data), "--json", "--no-page", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                complaint = process.stderr.read().strip() if process.stderr else ""
                raise EchoError(
                    f"the cloud stub did not start: {complaint.splitlines()[-1] if complaint else 'no reason'}"
                )
            yield json.loads(line)["broker"]
        finally:
            process.terminate()
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
