"""The microphone of a running device: one that comes back, and that is closed for certain when it is muted.

PortAudio runs in a process of its own. It learns of a new sound card only when it starts, and where a card is pulled
out it may never return from a call (PortAudio issue 1037, in the version that Debian ships): a process can be started
again, or killed. When it has ended, the operating system has closed the microphone, whatever the libraries did.
"""

import contextlib
import json
import os
import queue
import struct
import subprocess
import sys
import threading
import time
from typing import IO, Any

import numpy as np

from cloud_stub.contract.messages import MicrophoneHealth
from device.audio_source import BLOCK, SAMPLE_RATE, Block
from device.errors import EchoError
from device.microphone import PATIENCE, Microphone, silent

NONE = "none"
"""As a name: there is no microphone, and none is looked for; sound comes by MQTT control alone."""

OPENING_S = 20.0  # seconds until the process must have opened a microphone: `auto` tries them one after the other
HANGS_S = 6.0  # seconds without a sign of the process, when it has opened one, until it is killed
DEAF_S = 3.0  # seconds of zeros until we are deaf
PAUSES_S = (0.1, 0.5, 1.0, 2.0)  # seconds between one attempt and the next; the last for ever
ZEROS_S = 10.0  # seconds of zeros after which the microphone is opened anew

_HEAD = struct.Struct("<cI")  # kind and length of what follows
_OPENED, _SOUND, _COUNTS, _TROUBLE, _ENDED = b"o", b"s", b"c", b"t", b"e"

_Item = tuple[bytes, bytes]


class Capture:
    """Blocks from a microphone, as long as there is one. `trouble` says why no sound arrives, else it is empty.

    Nothing here raises for a missing microphone, because one may be plugged in any minute.
    """

    def __init__(self, name: str | None = None) -> None:
        """The microphone of that name or part of it, None the system's, "auto" the loudest, "none" for none."""
        self._name = name
        self.trouble = "no microphone was asked for (--microphone none)." if name == NONE else ""
        self.description = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._items: queue.Queue[_Item] = queue.Queue()
        self._counts = {"overflows": 0, "late": 0, "dropped": 0}
        self._before = dict(self._counts)  # of the processes that have ended
        self._returns = 0
        self._wanted = False
        self._attempts = 0
        self._next_attempt = 0.0
        self._patience = OPENING_S
        self._sign = 0.0  # when the process last gave one
        self._heard = False  # whether this process has sent sound
        self._zeros = 0  # samples

    def open(self) -> None:
        """Listen from now on; may be called again."""
        if self._name != NONE and not self._wanted:
            self._wanted, self._attempts, self._next_attempt = True, 0, 0.0

    def close(self) -> None:
        """Do not listen: when this returns the microphone is closed, and what was captured is gone."""
        self._wanted = False
        self._end_process()
        self.description = ""
        if self._name != NONE:
            self.trouble = ""

    def read(self, wait_s: float) -> Block | None:
        """The next block, or None if none comes within `wait_s` seconds."""
        deadline = time.monotonic() + wait_s
        while True:
            if self._process is None and self._wanted and time.monotonic() >= self._next_attempt:
                self._start_process()
            left = deadline - time.monotonic()
            if self._process is None:
                pause = left if not self._wanted else min(left, self._next_attempt - time.monotonic())
                time.sleep(max(0.0, pause))
            else:
                block = self._take(max(0.0, left))
                if block is not None:
                    return block
            if time.monotonic() >= deadline:
                return None

    def health(self) -> MicrophoneHealth:
        """What the device publishes about it."""
        counts = {name: self._before[name] + count for name, count in self._counts.items()}
        return MicrophoneHealth(self.trouble or self.description or "closed", **counts, returns=self._returns)

    def _take(self, wait_s: float) -> Block | None:
        try:
            kind, content = self._items.get(timeout=wait_s)
        except queue.Empty:
            quiet = time.monotonic() - self._sign
            if quiet > self._patience:
                self._fail("The sound system hangs. If it goes on, unplug the microphone or start the machine again.")
            elif quiet > PATIENCE and self._heard:
                self.trouble = silent(self.description)
            return None
        self._sign = time.monotonic()
        if kind == _SOUND:
            block: Block = np.frombuffer(content, np.int16)
            self._heard = True
            self._judge(block)
            return block
        if kind == _OPENED:
            self.description = content.decode()
            self._patience = HANGS_S
            self._zeros = 0
        elif kind == _COUNTS:
            self._counts = json.loads(content)
        elif kind == _TROUBLE:
            self._fail(content.decode())
        else:
            self._fail("The program that records has ended unexpectedly. It is started again.")
        return None

    def _judge(self, block: Block) -> None:
        """Whether this is sound: a real room never has a whole block of zeros after the other."""
        if block.any():
            self._zeros = 0
            self._attempts = 0
            if self.trouble:
                self.trouble = ""
                self._returns += 1
            return
        self._zeros += block.size
        if self._zeros >= DEAF_S * SAMPLE_RATE:
            self.trouble = (
                f"Only digital silence comes from {self.description}. Is it switched off at a switch of its own, or "
                "forbidden in the system's privacy settings?"
            )
        if self._zeros >= ZEROS_S * SAMPLE_RATE:
            self._fail(self.trouble)

    def _fail(self, why: str) -> None:
        """Try again after a while."""
        self._end_process()
        self.trouble = why
        self.description = ""
        self._next_attempt = time.monotonic() + PAUSES_S[min(self._attempts, len(PAUSES_S) - 1)]
        self._attempts += 1

    def _start_process(self) -> None:
        command = [sys.executable, "-m", "device.capture", *([self._name] if self._name is not None else [])]
        # A session of its own, so that Ctrl-C in the terminal is ours to handle. What PortAudio and ALSA write to
        # standard error repeats, at length, what we say.
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # A second of sound; more than that waits, and is counted, in the process itself.
        self._items = queue.Queue(SAMPLE_RATE // BLOCK)
        self._sign, self._patience, self._heard = time.monotonic(), OPENING_S, False
        assert self._process.stdout is not None
        threading.Thread(target=_receive, args=(self._process.stdout, self._items), daemon=True).start()

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()
        while not self._items.empty():  # lets its thread see the end
            with contextlib.suppress(queue.Empty):
                self._items.get_nowait()
        for name, count in self._counts.items():
            self._before[name] += count
        self._counts = dict.fromkeys(self._counts, 0)


def _receive(pipe: IO[bytes], items: "queue.Queue[_Item]") -> None:
    """Queue what the process sends, to its end."""
    with contextlib.suppress(OSError, ValueError), pipe:
        while len(head := pipe.read(_HEAD.size)) == _HEAD.size:
            kind, length = _HEAD.unpack(head)
            items.put((kind, pipe.read(length)))
    with contextlib.suppress(queue.Full):
        items.put_nowait((_ENDED, b""))


def _send(kind: bytes, content: bytes) -> None:
    sys.stdout.buffer.write(_HEAD.pack(kind, len(content)) + content)
    sys.stdout.buffer.flush()


def _counts(microphone: Microphone) -> dict[str, Any]:
    return {"overflows": microphone.overflows, "late": microphone.late, "dropped": microphone.dropped}


def _record(name: str | None) -> None:
    """The process: opens the microphone and sends what it hears, until it fails or nobody reads."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sent: dict[str, Any] = {}
    try:
        with Microphone(name) as microphone:
            _send(_OPENED, microphone.description.encode())
            for block in microphone:
                _send(_SOUND, block.tobytes())
                if sent != (sent := _counts(microphone)):
                    _send(_COUNTS, json.dumps(sent).encode())
    except EchoError as error:
        _send(_TROUBLE, str(error).encode())


def _end_with_parent() -> None:
    """Standard input ends when the parent does, however it ends."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        _record(sys.argv[1] if len(sys.argv) > 1 else None)
    os._exit(0)  # PortAudio's own way out may hang
