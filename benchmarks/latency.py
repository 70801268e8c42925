"""From the end-pointer's decision to the answer at the device: python -m benchmarks.latency [--rounds 3] [--json]

A device in this process hears the recordings that ship, one after another; `cloud-stub serve`, a process of its own,
answers over a Mosquitto on loopback. A third client sees both directions on the wire, so that the way can be split:

- heard: from the end-pointer's decision that the request has ended to its last words, and that it was a call at all;
- kept: to its being in the outbox, sound and all, durably;
- sent: to its being seen at the broker;
- answered: to the broker's having the answer. The cloud has by then understood, acted, and committed to every store;
- taken: to the device's having acted on it.

There is no other program to compare with. The baseline is the way alone: a message of the same size to the same broker
and back, by two bare paho clients.
"""

import argparse
import itertools
import platform
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.broker import mosquitto
from benchmarks.figures import show
from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import Directive, Interaction, Speak, decode, directive_topic, event_topic
from device import speech_models
from device.audio_source import Recording
from device.echo import Echo
from device.spoken_requests import FOLDER
from device.utterance import Heard, Mistaken, Utterance

DEVICE = "kitchen"

#: Those that ask for no deletion: a deletion is answered when its bytes are gone, which other benchmarks measure.
SOUNDS = [file for file in sorted(FOLDER.glob("*.flac")) if "delete" not in file.name]

STAGES = ("ended", "heard", "kept", "sent", "answered", "taken")

Seen = dict[str, dict[str, float]]
"""By interaction, when it was first at each stage, by the monotonic clock."""


class Timed(Echo):
    """A device that notes when it had heard a request, kept it, and had its answer."""

    def __init__(self, *arguments: Any, seen: Seen, ended: list[float]) -> None:
        """As Echo, with where to note it, and where the ends of requests are noted."""
        super().__init__(*arguments)
        self._seen, self._ended = seen, ended

    def _take(self, event: Any, source: Any) -> None:
        heard = time.monotonic()
        super()._take(event, source)
        if isinstance(event, Heard):
            stamps = {"ended": self._ended[-1], "heard": heard, "kept": time.monotonic()}
            self._seen[self.exchanges[-1].interaction.id] |= stamps

    def _receive(self, directive: Directive) -> None:
        super()._receive(directive)
        if isinstance(directive, Speak):
            self._seen[directive.interaction].setdefault("taken", time.monotonic())


class Notes(Seen):
    """Makes room for an interaction when it is first seen, by whichever thread."""

    def __missing__(self, name: str) -> dict[str, float]:
        """An empty note."""
        return self.setdefault(name, {})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each recording is heard")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    show(measure(options.rounds), as_json=options.json)


def measure(rounds: int) -> dict[str, Any]:
    """All figures, in milliseconds: medians by stage and of the whole."""
    seen = Notes()
    with mosquitto() as port, tempfile.TemporaryDirectory(prefix="latency-") as name:
        with cloud(Path(name), port), watching(port, seen), noting_ends() as ended:
            address = BrokerAddress.parse(f"mqtt://127.0.0.1:{port}")
            model = speech_models.load(speech_models.locate(None))
            echo = Timed(DEVICE, Path(name), address, model, seen=seen, ended=ended)
            echo.uplink.connect(must=True)
            try:
                for file in SOUNDS * rounds:
                    echo.listen(Recording(file), "file")
                    echo.settle(20.0)
            finally:
                echo.close()
        bare = round_trips(port, len(SOUNDS) * rounds)
    whole = [stamps for stamps in seen.values() if stamps.keys() >= set(STAGES)]
    ways = itertools.pairwise(STAGES)
    middle = {after: 1000 * median(one[after] - one[before] for one in whole) for before, after in ways}
    took = sorted(1000 * (one["taken"] - one["ended"]) for one in whole)
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "requests": len(whole),
        **{f"  {stage}, median ms": round(value, 1) for stage, value in middle.items()},
        "decision to answer, median ms (wanted: under 50)": round(median(took), 1),
        "decision to answer, 90th percentile ms": round(took[int(0.9 * (len(took) - 1))], 1),
        "two bare paho clients there and back, median ms (baseline)": round(bare, 2),
        "decision to answer against there and back": round(median(took) / bare, 1),
    }


@contextmanager
def noting_ends() -> Iterator[list[float]]:
    """When the end-pointer decided that a request had ended, by the monotonic clock."""
    finish, ended = Utterance.finish, list[float]()

    def noted(utterance: Utterance) -> Heard | Mistaken:
        ended.append(time.monotonic())
        return finish(utterance)

    Utterance.finish = noted  # type: ignore[method-assign]
    try:
        yield ended
    finally:
        Utterance.finish = finish  # type: ignore[method-assign]


@contextmanager
def cloud(data: Path, port: int) -> Iterator[None]:
    """`cloud-stub serve` while the block runs."""
    command = [sys.executable, "-m", "cloud_stub", "serve", "--data", str(data), "--json"]
    command += ["--broker", f"mqtt://127.0.0.1:{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.terminate()


@contextmanager
def watching(port: int, seen: Seen) -> Iterator[None]:
    """Notes what passes the broker while the block runs."""

    def note(_client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        now = time.monotonic()
        if message.topic.endswith(Interaction.name):
            seen[decode(Interaction, message.payload).id].setdefault("sent", now)
        else:
            seen[decode(Speak, message.payload).interaction].setdefault("answered", now)

    with client(port, [event_topic(DEVICE, Interaction.name), directive_topic(DEVICE, Speak.name)]) as watcher:
        watcher.on_message = note
        yield


@contextmanager
def client(port: int, topics: list[str]) -> Iterator[mqtt.Client]:
    """A paho client that has subscribed when yielded."""
    made = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    subscribed = threading.Event()
    made.on_socket_open = lambda _c, _u, sock: sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.on_connect = lambda *_: made.subscribe([(topic, 1) for topic in topics])
    made.on_subscribe = lambda *_: subscribed.set()
    made.connect("127.0.0.1", port)
    made.loop_start()
    subscribed.wait(10)
    try:
        yield made
    finally:
        made.disconnect()
        made.loop_stop()


def round_trips(port: int, number: int) -> float:
    """The median of so many ways to another client and back, in milliseconds."""
    back: queue.SimpleQueue[float] = queue.SimpleQueue()
    times = []
    with client(port, ["there"]) as far, client(port, ["back"]) as near:
        far.on_message = lambda _c, _u, message: far.publish("back", message.payload, qos=1)
        near.on_message = lambda *_: back.put(time.monotonic())
        for _ in range(number):
            began = time.monotonic()
            near.publish("there", bytes(600), qos=1)
            times.append(1000 * (back.get(timeout=10) - began))
    return median(times)


if __name__ == "__main__":
    main()
