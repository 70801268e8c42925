"""The page's HTTP is described by OpenAPI, and does what the description says whatever it is sent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from device.testing.processes import device as running
from device.testing.remote import remote
from tests.browser.visitor import Visitor, visitor
from tests.processes import Cloud, cloud, mosquitto
from tests.speaker import speaker

ROOT = Path(__file__).parent.parent.parent

#: Each takes seconds a call; the soak calls them too.
SLOW = ("--exclude-path", "/compare", "--exclude-path", "/left/search")


def survives(served: Cloud, guest: Visitor, folder: Path, *options: str) -> None:
    """Let schemathesis loose on it, with its default checks."""
    with speaker(served.broker, "bedroom") as bedroom:
        interaction = bedroom.say("what time is it")
        deletion = guest.post("/delete", what="one", id=bedroom.say("what time is it")).headers["location"]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.browser.schemathesis_hooks",
        "PYTHONPATH": str(ROOT),
        "INTERACTION": interaction,
        "DELETION": deletion.rsplit("/", 1)[1],
    }
    cookies = "; ".join(f"{name}={value}" for name, value in guest.client.cookies.items())
    headers = ["-H", f"Cookie: {cookies}", "-H", f"X-CSRF-Token: {guest.csrf}"]
    # Leaving ends the session that all the rest needs; tests/browser/test_page_security.py leaves.
    command = [Path(sys.executable).parent / "schemathesis", "run", *headers, "--exclude-path", "/leave", "--seed", "8"]
    done = subprocess.run(
        [*command, *options, str(guest.client.base_url.join("/openapi.json"))],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert guest.get("/history").status_code == 200, "it still answers"


def test_the_page_does_what_its_description_says(tmp_path: Path) -> None:
    with cloud(tmp_path / "data", "--http", "127.0.0.1:0") as served, visitor(served.links["household"]) as guest:
        survives(served, guest, tmp_path, "--phases", "fuzzing", "--max-examples", "3", *SLOW)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_the_page_does_what_its_description_says_for_two_minutes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with (
        mosquitto(tmp_path / "broker") as broker,
        cloud(data, "--http", "127.0.0.1:0", broker=broker) as served,
        remote(served.broker) as device,
        running(served.broker, data, "--microphone", "none", "--no-voice"),
        visitor(served.links["household"]) as guest,
    ):
        device.online()
        survives(served, guest, tmp_path, "--max-time", "120")
