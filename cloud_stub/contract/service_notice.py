"""Tells the service manager that a program works; without one it tells nobody.

Both programs do, so it lies where both may import from. Source: sd_notify(3), whose protocol is one datagram on a local
socket, and sd_watchdog_enabled(3).
"""

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class ServiceNotice:
    """Ready, alive, stopping. There is no thread in it: only a loop that goes round says that it does."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID."""
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environment.get("WATCHDOG_USEC", "")
        # Three times as often as must be: one that is late is none that hangs.
        self._every_s = int(microseconds) / 3e6 if microseconds.isdecimal() and ours else float("inf")
        self._next = 0.0
        self._ready = False

    def alive(self) -> None:
        """To be called at every pass of the loop that does the work: the first call says that the program is ready."""
        if not self._ready:
            self._ready = True
            self._tell("READY=1")
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._every_s
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The program ends because it was told to, and may take a moment."""
        self._tell("STOPPING=1")

    def _tell(self, state: str) -> None:
        """A manager that does not listen is no reason to fail, or to wait."""
        if self._address:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notice:
                notice.setblocking(False)
                notice.sendto(state.encode(), self._address)
