"""What the benchmarks over MQTT share: a Mosquitto of their own, and a feeder that is faster than any subscriber."""

import contextlib
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from device.testing.processes import free_port, listens

PATIENCE_S = 300.0


@contextlib.contextmanager
def mosquitto() -> Iterator[int]:
    """A Mosquitto that drops nothing, on a free port of loopback, while the block runs. Yields the port."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        raise SystemExit("Mosquitto is not here: apt install mosquitto")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="mosquitto-") as name:
        settings = Path(name) / "mosquitto.conf"
        limits = "max_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true\n"
        settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n{limits}", "utf-8")
        process = subprocess.Popen([program, "-c", str(settings)], stderr=subprocess.DEVNULL)  # noqa: S603
        try:
            until(lambda: listens(port), "Mosquitto to listen")
            yield port
        finally:
            process.terminate()
            process.wait()


def until(what: object, description: str) -> None:
    """Wait until `what()` is true; ends the benchmark where it never is."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {PATIENCE_S:.0f} s in vain for {description}")
        time.sleep(0.01)


def feed(port: int, messages: Sequence[tuple[str, bytes]]) -> float:
    """Publish all at QoS 1 from a bare socket, as fast as the broker takes them. Returns when the first was sent."""
    packets = b"".join(_publish(topic, payload, number) for number, (topic, payload) in enumerate(messages))
    with socket.create_connection(("127.0.0.1", port)) as sock:
        hello = struct.pack("!H4sBBHH", 4, b"MQTT", 4, 2, 0, 6) + b"feeder"
        sock.sendall(b"\x10" + _length(len(hello)) + hello)
        _read(sock, 4)
        acknowledged = threading.Thread(target=_read, args=(sock, 4 * len(messages)))
        acknowledged.start()
        began = time.monotonic()
        sock.sendall(packets)
        acknowledged.join()
    return began


def _publish(topic: str, payload: bytes, number: int) -> bytes:
    name = topic.encode()
    rest = struct.pack("!H", len(name)) + name + struct.pack("!H", number % 65535 + 1) + payload
    return b"\x32" + _length(len(rest)) + rest


def _length(number: int) -> bytes:
    found = bytearray()
    while True:
        number, digit = number >> 7, number & 0x7F
        found.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(found)


def _read(sock: socket.socket, size: int) -> None:
    while size > 0:
        got = len(sock.recv(min(size, 65536)))
        if not got:
            raise SystemExit("the broker ended the connection")
        size -= got
