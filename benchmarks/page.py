"""How fast the voice history opens: python -m benchmarks.page [--interactions 100000] [--rounds 40] [--json]

Two folders, one with a hundred interactions of a household and one with many, each served by a `cloud-stub serve` of
its own. Its first page is asked for over HTTP, of the one and of the other in turn, so that whatever else the machine
does slows both down; so are a page from the middle and a search for a word that every request has.
"""

import argparse
import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import insert

from benchmarks.figures import show
from cloud_stub.contract.messages import new_id, rfc3339
from cloud_stub.house import open_house
from cloud_stub.stores.tables import RECORDS

FEW = 100
NOW = datetime(2026, 11, 1, tzinfo=UTC)
TEXT = "set a recurring alarm for seven a m every day except on sundays"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="page-") as name, ExitStack() as stack:
        folders = {Path(name) / str(number): number for number in (FEW, options.interactions)}
        middles = [load(folder, number) for folder, number in folders.items()]
        visits = list(zip([stack.enter_context(visitor(folder)) for folder in folders], middles, strict=True))
        figures = measure(visits, options.interactions, options.rounds)
    show(figures, as_json=options.json)


def load(data: Path, interactions: int) -> str:
    """Fill a folder with a household's history over a year; returns the id in its middle."""
    chance = random.Random(1)  # noqa: S311 - no secret
    step = timedelta(days=365) / interactions
    words = [
        {"word": word, "start_ms": 300 * place, "end_ms": 300 * place + 250, "confidence": 0.9}
        for place, word in enumerate(TEXT.split())
    ]
    ids = []
    with open_house(data, "amazon-2019", create=True) as house:
        for first in range(0, interactions, 5000):
            rows = []
            for number in range(first, min(first + 5000, interactions)):
                at = NOW - step * (interactions - number)
                ids.append(new_id(at))
                common = {"account": "household", "interaction": ids[-1], "position": 0, "device": "kitchen"}
                rows.append(common | {"at": rfc3339(at), "received_at": rfc3339(at)})
            contents: dict[str, dict[str, Any]] = {
                "transcript": {"text": TEXT, "words": words, "source": "microphone"},
                "response": {"intent": "alarm", "text": f"Okay. {TEXT}"},
                "recording": {"flac": b"fLaC" + chance.randbytes(2000)},
            }
            with house.stores.write() as connection:
                for kind, content in contents.items():
                    connection.execute(insert(RECORDS["primary", kind]), [row | content for row in rows])
        house.stores.checkpoint()
    return ids[len(ids) // 2]


class Visitor:
    """A browser's connection to a page, in a session."""

    def __init__(self, link: str) -> None:
        """Comes in by the link."""
        parts = urlsplit(link)
        self._connection = http.client.HTTPConnection(parts.netloc)
        self._headers: dict[str, str] = {}
        self._connection.request("GET", f"{parts.path}?{parts.query}")
        answer = self._connection.getresponse()
        answer.read()
        self._headers["Cookie"] = str(answer.headers["set-cookie"]).split(";", maxsplit=1)[0]
        # The server closes what is silent for five seconds; the other one may take longer to start.
        self._connection.close()

    def get(self, path: str) -> float:
        """Milliseconds until the page is there, as a whole."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        took = (time.perf_counter() - began) * 1000
        assert answer.status == 200, text
        assert len(re.findall('class="you"', text)) == 30, "a page shows thirty"
        return took


@contextmanager
def visitor(data: Path) -> Iterator[Visitor]:
    """Serve the folder while this block runs."""
    command = [sys.executable, "-m", "cloud_stub", "serve", "--embedded-broker", "--port", "0", "--json"]
    with subprocess.Popen(  # noqa: S603
        [*command, "--http", "127.0.0.1:0", "--data", str(data)], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        assert process.stdout is not None
        try:
            yield Visitor(json.loads(process.stdout.readline())["page"]["household"])
        finally:
            process.terminate()


def measure(visits: list[tuple[Visitor, str]], interactions: int, rounds: int) -> dict[str, Any]:
    """Medians in milliseconds, and the median of the ratios within each round."""
    figures: dict[str, Any] = {"interactions": f"{FEW}, {interactions}", "rounds": rounds}
    for name, path in (
        ("first page", "/history"),
        ("from the middle", "/history?before={}"),
        ("a search", "/history?words=alarm"),
    ):
        times: list[list[float]] = [[], []]
        for _ in range(rounds + 3):
            for (each, middle), mine in zip(visits, times, strict=True):
                mine.append(each.get(path.format(middle)))
        few, many = (mine[3:] for mine in times)
        figures[f"{name}, ms"] = f"{median(few):.1f}, {median(many):.1f}"
        figures[f"{name}, ratio"] = round(median(late / soon for soon, late in zip(few, many, strict=True)), 2)
    return figures


if __name__ == "__main__":
    main()
