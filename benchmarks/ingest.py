"""Storing what devices say, against counting it: python -m benchmarks.ingest [--interactions 5000] [--json]

The baseline is a bare paho subscriber that counts (QoS 1, acknowledged as it comes), a process of its own, as is
`cloud-stub serve`. A bare socket feeds both, in turn, three times, with the same interactions at the same Mosquitto.
The cloud understands each, acts on it, writes it into all stores it belongs in, with the answers and the fingerprints,
at synchronous=FULL, and acknowledges after the commit. That the answers are then sent is the work of whoever is on
duty; the benchmark holds that duty, and does not do it. On a busy machine compare the processor times.

Between the two stands what paho and SQLite take alone for the same rows: see benchmarks/ingest_floor.py.

The table of stages is of the same messages, handed to the same code in one process, in batches as large: processor
time, so that it does not tell what else the machine does; waiting for the disk is in the speeds alone.
"""

import argparse
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import filelock
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import Connection, func, select

from benchmarks.broker import feed, mosquitto, until
from benchmarks.figures import show
from cloud_stub import accounts, ingest
from cloud_stub.assistant import Assistant
from cloud_stub.assistant.understanding import Understanding
from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import Interaction, Word, decode, encode, new_id
from cloud_stub.house import House, open_house
from cloud_stub.residue.witness import Witness
from cloud_stub.serve import BATCH
from cloud_stub.stores.sealing import Seal
from cloud_stub.stores.tables import RECORDS
from device.households import registrations, sayings

ROUNDS = 3
DEVICES = 300
_STORED = RECORDS["primary", "transcript"]


@dataclass(frozen=True)
class Spent:
    """What so many messages took a process."""

    seconds: float
    """From the first message's sending to the last one's being done."""
    processor: float
    """Seconds of processor time."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", type=int, default=5000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--count", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.count:
        count(options.count, options.interactions)
        return
    show(measure(options.interactions), as_json=options.json)


def measure(number: int) -> dict[str, Any]:
    """All figures: interactions a second, their ratio, microseconds by stage."""
    counted: list[Spent] = []
    least: list[Spent] = []
    stored: list[Spent] = []
    with mosquitto() as port:
        for turn in range(ROUNDS):
            messages = said(number, seed=turn)
            tell(f"counting, {turn + 1} of {ROUNDS}")
            counted.append(counting(port, messages))
            with tempfile.TemporaryDirectory(prefix="ingest-") as name:
                tell(f"storing, {turn + 1} of {ROUNDS}")
                stored.append(storing(port, messages, Path(name) / "cloud-stub"))
                tell(f"storing the same rows, {turn + 1} of {ROUNDS}")
                least.append(rows_alone(port, messages, Path(name) / "cloud-stub", Path(name) / "rows"))
    count_s, least_s, store_s = (median(one.seconds for one in some) for some in (counted, least, stored))
    count_work, least_work, store_work = (median(one.processor for one in some) for some in (counted, least, stored))
    return {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "interactions": number,
        "bare counting paho subscriber, messages/s (baseline)": [round(number / one.seconds) for one in counted],
        "the same rows by paho and sqlite3 alone, interactions/s": [round(number / one.seconds) for one in least],
        "cloud-stub serve, interactions stored/s": [round(number / one.seconds) for one in stored],
        "different sentences among them": len({decode(Interaction, payload).transcript for _, payload in messages}),
        "ingest against counting (wanted: at least 0.3)": round(count_s / store_s, 3),
        "paho and sqlite3 alone against counting": round(count_s / least_s, 3),
        "counting, processor us a message (baseline)": round(1e6 * count_work / number),
        "paho and sqlite3 alone, processor us an interaction": round(1e6 * least_work / number),
        "cloud-stub serve, processor us an interaction": round(1e6 * store_work / number),
        "processor, ingest against counting": round(count_work / store_work, 3),
        "processor, paho and sqlite3 alone against counting": round(count_work / least_work, 3),
        **{f"  {stage}, us": round(spent) for stage, spent in stages(number).items()},
    }


def said(number: int, seed: int) -> list[tuple[str, bytes]]:
    """(topic, payload) of what a street of households says, as a device hears it: with times of words."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    names, texts = [name for name, _ in registrations(DEVICES)], sayings(DEVICES, seed)
    found = []
    for _ in range(number):
        speaker, at = chance.randrange(DEVICES), datetime.now(UTC)
        text = next(texts[speaker])
        words = [Word(word, 300 * place, 300 * place + 250, 0.97) for place, word in enumerate(text.split())]
        interaction = Interaction(
            id=new_id(at),
            device=names[speaker],
            at=at,
            source="microphone",
            wake_word="alexa",
            transcript=text,
            words=words,
            model="echo-small-en",
        )
        found.append((interaction.topic(), encode(interaction)))
    return found


def counting(port: int, messages: list[tuple[str, bytes]]) -> Spent:
    """Until the subscriber has counted all."""
    return fed(port, messages, "benchmarks.ingest", "--count", str(port), "--interactions", str(len(messages)))


def rows_alone(port: int, messages: list[tuple[str, bytes]], stored: Path, empty: Path) -> Spent:
    """Until the rows that the cloud has `stored` are committed once more, in an `empty` folder."""
    return fed(port, messages, "benchmarks.ingest_floor", str(port), str(len(messages)), str(stored), str(empty))


def fed(port: int, messages: list[tuple[str, bytes]], module: str, *arguments: str) -> Spent:
    """Feed a module that says when it listens and, of the last message, when that was done."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        process.stdout.readline()
        before = processor(process.pid)
        began = feed(port, messages)
        # Of all processes the same clock.
        ended, worked = map(float, process.stdout.readline().split())
        return Spent(ended - began, worked - before)


def count(port: int, number: int) -> None:
    """The baseline: count so many messages, and print when the last one came."""
    left = number

    def take(_client: mqtt.Client, _userdata: object, _message: mqtt.MQTTMessage) -> None:
        nonlocal left
        left -= 1
        if not left:
            print(time.monotonic(), time.process_time(), flush=True)
            client.disconnect()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="counter", protocol=mqtt.MQTTv311)
    client.on_connect = lambda *_: client.subscribe("echo/v1/+/event/#", qos=1)
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.on_message = take
    client.connect("127.0.0.1", port)
    client.loop_forever()


def processor(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def storing(port: int, messages: list[tuple[str, bytes]], data: Path) -> Spent:
    """Until all are committed, in that new data folder."""
    with prepared(data) as house:
        duty = filelock.FileLock(data / "duty.lock")
        broker = f"mqtt://127.0.0.1:{port}"
        command = [sys.executable, "-m", "cloud_stub", "serve", "--data", str(data), "--broker", broker, "--json"]
        with duty, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
            assert process.stdout is not None
            process.stdout.readline()
            # It says so before the broker has noted its subscription.
            until(lambda: feed(port, messages[:1]) and rows(house), "the cloud to listen")
            before = processor(process.pid)
            began = feed(port, messages)
            until(lambda: rows(house) >= len(messages), "all to be stored")
            spent = Spent(time.monotonic() - began, processor(process.pid) - before)
            process.terminate()
    return spent


@contextmanager
def prepared(data: Path) -> Iterator[House]:
    """A data folder that knows the devices."""
    with open_house(data, "amazon-2019", create=True) as house:
        with house.stores.write() as connection:
            for device, account in registrations(DEVICES):
                accounts.register(connection, house.clock, device, account, child=False)
        yield house


def rows(house: House) -> int:
    """How many interactions are committed."""
    time.sleep(0.05)
    with house.stores.read() as connection:
        return connection.execute(select(func.count()).select_from(_STORED)).scalar_one()


def stages(number: int) -> dict[str, float]:
    """Microseconds an interaction, by what they are spent on, each without what it calls of the others."""
    spent: dict[str, float] = defaultdict(float)
    running: list[float] = []
    timed = (
        (ingest, "decode", "decoding"),
        (Understanding, "understand", "understanding (hassil)"),
        (Assistant, "answer", "deciding and wording the answer, facts looked up"),
        (Witness, "note", "fingerprints for the witness"),
        (Seal, "insert", "writing rows"),
        (Connection, "_commit_impl", "commit, synchronous=FULL"),
        (ingest.Ingest, "handle", "all else: rows, ids, directives, settings"),
    )
    before = [getattr(owner, name) for owner, name, _ in timed]
    for (owner, name, stage), function in zip(timed, before, strict=True):
        setattr(owner, name, _timed(function, stage, spent, running))
    try:
        messages = [Incoming(*message) for message in said(number, seed=0)]
        with tempfile.TemporaryDirectory(prefix="stages-") as name, prepared(Path(name)) as house:
            taker = ingest.Ingest(house.stores, house.keys, house.engine, Assistant(), house.clock, ZoneInfo("UTC"))
            spent.clear()
            for first in range(0, number, BATCH):
                taker.handle(messages[first : first + BATCH])
            return {stage: 1e6 * spent[stage] / number for _, _, stage in timed}
    finally:
        for (owner, name, _), function in zip(timed, before, strict=True):
            setattr(owner, name, function)


def _timed(
    function: Callable[..., Any], stage: str, spent: dict[str, float], running: list[float]
) -> Callable[..., Any]:
    """The function, its time added to the stage; what stages called by it take is theirs."""

    @wraps(function)
    def timed(*arguments: Any, **named: Any) -> Any:
        running.append(0.0)
        began = time.process_time()
        try:
            return function(*arguments, **named)
        finally:
            took = time.process_time() - began
            spent[stage] += took - running.pop()
            if running:
                running[-1] += took

    return timed


def tell(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
