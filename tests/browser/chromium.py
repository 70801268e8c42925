"""A real Chromium, the distribution's own, and a house with a device that hears what is played to it."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from device.spoken_requests import FOLDER
from device.testing.processes import device as running
from device.testing.remote import RemoteEcho, remote
from tests.processes import Cloud, asked, cloud, missing, until

SIZE = {"width": 1100, "height": 800}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Headless; Playwright only drives it, and downloads none of its own.

    Not for longer than a file's tests: as long as it lives, no other event loop can run in this thread.
    """
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        missing("Chromium", "apt install chromium")
    with sync_playwright() as playwright:
        # Where the tests run in a container, Chromium has no sandbox to build; it sees no page but ours.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Home:
    """A cloud with its page, a broker, and a device without a microphone."""

    cloud: Cloud
    device: RemoteEcho
    browser: Browser
    state: Any
    """The session, for new browser windows."""
    visits: httpx.Client
    """The same session, without a browser."""

    @property
    def address(self) -> str:
        return self.cloud.links["household"].split("/enter", maxsplit=1)[0]

    def hear(self, name: str) -> str:
        """Play a spoken request to the device; returns its interaction's id when the page shows its recording."""
        before = self._recorded()
        self.device.command("hear", (FOLDER / f"{name}.flac").read_bytes())
        (interaction,) = until(lambda: self._recorded() - before, f"{name} to be stored")
        return str(interaction)

    def _recorded(self) -> set[str]:
        page = self.visits.get("/history").text
        return set(re.findall("/recordings/([0-9a-f-]+)/waveform", page))

    def history(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = asked("history", "household", "--data", self.cloud.data)
        return found

    def in_files(self, words: str) -> list[str]:
        """The stores whose files hold these words somewhere."""
        files = sorted((self.cloud.data / "cloud").glob("*.db*"))
        return sorted({file.name.split(".")[0] for file in files if words.encode() in file.read_bytes()})

    @contextmanager
    def window(self, **how: Any) -> Iterator[Page]:
        """A browser window in the session, in which nothing may be blocked and no script may fail."""
        context = self.browser.new_context(
            base_url=self.address, storage_state=self.state, **({"viewport": SIZE, "locale": "en-GB"} | how)
        )
        page = context.new_page()
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(message.text) if _is_wrong(message) else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        try:
            yield page
            assert wrong == []
        finally:
            context.close()


def _is_wrong(message: ConsoleMessage) -> bool:
    # A page that says why something cannot be done has a status of its own.
    return message.type == "error" and "the server responded with a status of 4" not in message.text


@contextmanager
def home(folder: Path, browser: Browser, *options: str) -> Iterator[Home]:
    """Live in it."""
    data = folder / "data"
    with (
        cloud(data, "--http", "127.0.0.1:0", "--training-share", "1", *options) as served,
        remote(served.broker) as device,
        running(served.broker, data, "--microphone", "none", "--no-voice", TZ=os.environ.get("TZ", "UTC")),
    ):
        context = browser.new_context()
        page = context.new_page()
        page.goto(served.links["household"])
        page.wait_for_url("**/live")
        state = context.storage_state()
        context.close()
        device.online()
        with httpx.Client(
            base_url=served.links["household"].split("/enter", maxsplit=1)[0],
            cookies={cookie["name"]: cookie["value"] for cookie in state["cookies"]},
        ) as visits:
            yield Home(served, device, browser, state, visits)
