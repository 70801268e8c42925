"""`cloud-stub` as a process: the device's commands and tests that need a cloud start one and read its JSON."""

import contextlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cloud_stub.contract.extras import install
from device.errors import EchoError

#: Seconds until what the cloud has sent must be confirmed, by devices and third parties, or be given up.
SETTLE_S = 30.0


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


class Cloud:
    """A running `cloud-stub serve`: `process`, the `data` folder, the `broker`'s address. Ask it what it stores.

    `links` open the page, by account; there are none without `--http`.
    """

    def __init__(self, begin: "Callable[[], subprocess.Popen[str]]", data: Path) -> None:
        """`begin` starts one, whose first line on standard output will say that it is ready."""
        self._begin, self.data = begin, data
        self.know_the_time: dict[str, Callable[[str], bool]] = {}
        """By device: whether it is away, or has confirmed that directive about the time, or a later one."""
        self.start()

    def start(self) -> None:
        """Start it, and wait until it serves; after kill(), again, on what is in the folder.

        Raises EchoError where it does not start.
        """
        self.process = self._begin()
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            self.end()
            raise EchoError("the cloud stub did not start")
        ready = json.loads(line)
        self.broker: str = ready["broker"]
        self.links: dict[str, str] = ready["page"]

    def ask(self, *arguments: str) -> Any:
        """What any `cloud-stub` command answers, as JSON: `cloud.ask("settings", "auto_delete", "P3M")`."""
        return ask(self.data, *arguments)

    def history(self, account: str = "household") -> list[dict[str, Any]]:
        """The voice history: id, at, device, transcript, response, recording (bytes of sound) of each interaction."""
        found: list[dict[str, Any]] = self.ask("history", account)
        return found

    def left(self, account: str = "household") -> list[dict[str, Any]]:
        """Every record that is left: store, kind, interaction, fields, rule, clause. Settles first."""
        self.settle()
        found: list[dict[str, Any]] = self.ask("left", account)["left"]
        return found

    def residue(self, phrase: str) -> dict[str, Any]:
        """A search of every byte of the data folder for these words (three at least). Settles first."""
        self.settle()
        found: dict[str, Any] = self.ask("residue", "--phrase", phrase)
        return found

    def advance(self, period: str, *silent: str) -> None:
        """Set the simulated clock forward by an ISO 8601 period, and let everything that falls due happen.

        Devices that have said something are told the time, and the `silent` ones. Those of `know_the_time` know it
        when this returns.
        """
        told = self.ask("advance", period, *(part for name in silent for part in ("--device", name)))["told"]
        self.settle()
        here = [(self.know_the_time[name], directive) for name, directive in told.items() if name in self.know_the_time]
        self._wait(lambda: all(knows(directive) for knows, directive in here), SETTLE_S)

    def settle(self, patience_s: float = SETTLE_S) -> None:
        """Wait until nothing is on its way any more: devices and third parties have answered, or are silent.

        Raises EchoError after `patience_s` seconds in vain.
        """
        self._wait(lambda: not self.ask("status")["outgoing"], patience_s)

    def _wait(self, done: Callable[[], bool], patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while not done():
            if time.monotonic() > deadline:
                raise EchoError(
                    f"messages of the cloud stay unconfirmed for {patience_s:.0f} s. Is the device running?"
                )
            time.sleep(0.01)

    def kill(self) -> None:
        """End the process at once, as a power cut would; start() starts another."""
        self.process.kill()
        self._gone()

    def end(self) -> None:
        """Let it end in order. Raises EchoError where it does not."""
        self.process.terminate()
        try:
            self._gone(patience_s=15)
        except subprocess.TimeoutExpired:
            self.kill()
            raise EchoError("the cloud stub did not stop when asked to, and was killed") from None

    def _gone(self, patience_s: float | None = None) -> None:
        self.process.wait(patience_s)
        if self.process.stdout:
            self.process.stdout.close()


@contextlib.contextmanager
def running(data: Path, options: Sequence[str], log: Path | None = None) -> Iterator[Cloud]:
    """A `cloud-stub serve` on that folder while the block runs. What it logs is appended to `log`, if there is one.

    Without the page, which takes a while to load, unless `--http` is among the options.
    Raises EchoError where the cloud is not installed, does not start, or does not stop.
    """
    if importlib.util.find_spec("sqlalchemy") is None or importlib.util.find_spec("hassil") is None:
        raise EchoError(f"the cloud stub is not installed. Install it: {install('cloud')}")
    page = [] if "--http" in options else ["--no-page"]
    command = [sys.executable, "-m", "cloud_stub", "serve", "--data", str(data), "--json", *page, *options]
    with log.open("a+") if log else tempfile.TemporaryFile("w+") as errors:

        def begin() -> "subprocess.Popen[str]":
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)  # noqa: S603

        try:
            cloud = Cloud(begin, data)
        except EchoError as error:
            errors.seek(0)
            complaint = errors.read().strip().splitlines() or ["no reason"]
            raise EchoError(f"{error}: {complaint[-1]}") from None
        try:
            yield cloud
        finally:
            cloud.end()
