"""The contract command: captured messages, one a line, held against the wire contract."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from cloud_stub.contract.channels import check
from cloud_stub.contract.messages import MAX_RECORDING_BYTES
from device.errors import EchoError

#: The longest line: a recording in hexadecimal, and its topic.
LONGEST = 2 * MAX_RECORDING_BYTES + 1000


@dataclass(frozen=True)
class Judged:
    """One line: the topic as far as it could be read, and what is wrong, empty where nothing is."""

    line: int
    topic: str
    reason: str


def validate(options: argparse.Namespace) -> int:
    """Name each bad message as soon as it is read. Returns 1 where there was one, or no message at all."""
    bad, count = [], 0
    with ExitStack() as stack:
        try:
            lines = sys.stdin.buffer if options.file == "-" else stack.enter_context(Path(options.file).open("rb"))
        except OSError as error:
            raise EchoError(f"{options.file} cannot be read: {error}. Name what mosquitto_sub wrote, or -.") from error
        for judged in judge(lines):
            count += 1
            if judged.reason:
                bad.append(judged)
                if not options.json:
                    print(f"line {judged.line}: {judged.topic or 'no topic'}: {judged.reason}", flush=True)
    if options.json:
        print(json.dumps({"messages": count, "bad": [asdict(judged) for judged in bad]}, indent=2, ensure_ascii=False))
    elif count:
        print(f"{count} messages, {len(bad)} of them bad")
    else:
        print("no message in it: nothing was captured. Subscribe before the device speaks: -t 'echo/v1/#'")
    return 1 if bad or not count else 0


def judge(lines: Iterable[bytes]) -> Iterator[Judged]:
    """Each line that is not empty: a topic, a space, and the payload in hexadecimal."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        topic, space, payload = line.rstrip(b"\r\n").rpartition(b" ")
        shown = topic.decode("utf-8", "replace")[:200]
        try:
            if not space or len(line) > LONGEST:
                raise ValueError("no captured message. Expected lines of: mosquitto_sub -F '%t %x'")  # noqa: TRY301
            check(topic.decode("utf-8"), _bytes(payload))
        except ValueError as error:
            yield Judged(number, shown, str(error))
        else:
            yield Judged(number, shown, "")


def _bytes(payload: bytes) -> bytes:
    try:
        return bytes.fromhex(payload.decode("ascii"))
    except ValueError as error:
        raise ValueError("the payload is not in hexadecimal. Capture it with: mosquitto_sub -F '%t %x'") from error
