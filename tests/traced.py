"""What a process asks of the kernel, as strace writes it down: files opened, written, synced, renamed; bytes sent."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.processes import missing

#: What changes files, and what makes changes durable.
DISK = (
    "openat,creat,mkdir,mkdirat,rmdir,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat,"
    "write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,lseek,fsync,fdatasync,sync_file_range,"
    "copy_file_range,sendfile"
)
NETWORK = "sendto,sendmsg,recvfrom"

_WHOLE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)(?:<.*>)?(?:\(deleted\))?(?: .*)?$")
_BEGUN = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
_ENDED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+|\?)(?:<.*>)?(?:\(deleted\))?(?: .*)?$")


#: Calls whose second argument is bytes.
_CARRIES = {"write", "pwrite64", "sendto", "recvfrom"}


@dataclass(frozen=True)
class Call:
    """A system call that succeeded. `begun` and `ended` are places in one order of all beginnings and ends."""

    begun: int
    ended: int
    name: str
    arguments: tuple[str, ...]
    result: int
    data: bytes
    """What was written, sent or received."""

    def number(self, place: int) -> int:
        """An argument that is a number, or a descriptor."""
        return int(self.arguments[place].partition("<")[0])

    def text(self, place: int) -> bytes:
        """An argument that is a string."""
        return _bytes(self.arguments[place].strip('"'))

    def file(self, place: int) -> str:
        """What a descriptor is of: a path, or socket:[number]."""
        return _bytes(self.arguments[place].partition("<")[2].partition(">")[0]).decode()

    def path(self, place: int) -> Path:
        """A path, after the folder that it is relative to where the call names one."""
        at = self.file(place - 1) if place and "<" in self.arguments[place - 1] else "."
        return Path(at) / self.text(place).decode()


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def under_strace(log: Path, calls: str) -> list[str]:
    """What to put before a command, so that its calls are written to `log`."""
    strace = shutil.which("strace")
    if strace is None:
        missing("strace", "apt install strace")
    options = ("--seccomp-bpf", "-f", "-y", "-xx", "-s", "100000000", "-e", f"trace={calls}", "-e", "signal=none")
    return [str(strace), *options, "-o", str(log)]


@contextmanager
def traced(command: Sequence[str], log: Path, calls: str, output: Path) -> Iterator[None]:
    """That program under strace while the block runs, then ended by SIGTERM. What it prints goes to `output`."""
    with (
        output.open("w") as out,
        subprocess.Popen([*under_strace(log, calls), *command], stdout=out, stderr=out) as process,
    ):
        try:
            yield
        finally:
            # strace itself takes no signals, and ends with the program.
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGTERM)


def calls(log: Path) -> list[Call]:
    """Those that succeeded, in the order of their ends."""
    found, begun = [], {}
    with log.open() as lines:
        for number, line in enumerate(lines):
            if whole := _WHOLE.match(line):
                _, name, arguments, result = whole.groups()
                started = number
            elif start := _BEGUN.match(line):
                thread, name, arguments = start.groups()
                begun[thread] = (number, name, arguments)
                continue
            elif end := _ENDED.match(line):
                thread, name, rest, result = end.groups()
                started, _, first = begun.pop(thread)
                arguments = first + rest
            else:
                continue
            if result != "?" and int(result) >= 0:
                split = tuple(each.strip() for each in arguments.split(","))
                data = _bytes(split[1].strip('"'))[: int(result)] if name in _CARRIES else b""
                found.append(Call(started, number, name, split, int(result), data))
    return found


@dataclass(frozen=True)
class Message:
    """An MQTT message that went over a socket; `begun` is when its first byte was handed to the kernel, or came."""

    begun: int
    topic: str
    payload: bytes


def messages(found: Sequence[Call], name: str = "sendto") -> list[Message]:
    """The messages that were published by (`sendto`), or delivered to (`recvfrom`), the process, in order."""
    streams: dict[str, list[Call]] = {}
    for call in found:
        if call.name == name and "socket" in call.file(0):
            streams.setdefault(call.file(0), []).append(call)
    # Other sockets carry no MQTT: a connection begins with a CONNECT, and its answers with a CONNACK.
    connections = [stream for stream in streams.values() if stream[0].data[:1] in {b"\x10", b"\x20"}]
    every = [message for stream in connections for message in _published(stream)]
    return sorted(every, key=lambda message: message.begun)


def _published(stream: Sequence[Call]) -> Iterator[Message]:
    """The PUBLISH packets of a connection (MQTT 3.1.1, 3.3); its other packets are passed over."""
    content, starts = bytearray(), []
    for call in stream:
        starts.append((len(content), call.begun))
        content += call.data
    place = 0
    while place + 2 <= len(content):
        first, length, shift, head = content[place], 0, 0, place + 1
        while True:
            length |= (content[head] & 0x7F) << shift
            shift, head = shift + 7, head + 1
            if content[head - 1] < 0x80:
                break
        if first >> 4 == 3:
            packet = bytes(content[head : head + length])
            topic = packet[2 : 2 + int.from_bytes(packet[:2])]
            begun = max(begun for offset, begun in starts if offset <= place)
            yield Message(begun, topic.decode(), packet[2 + len(topic) + (2 if first & 6 else 0) :])
        place = head + length
