"""The page's own way into the data folder: one request at a time, at the time that the folder lives in."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from cloud_stub.house import House
from cloud_stub.retention.clock import kept_time


@dataclass
class Desk:
    """A house that is open for the page alone, beside the one that serves."""

    _house: House
    zone: ZoneInfo
    _turn: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def house(self) -> Iterator[House]:
        """The house, for this thread alone while the block runs."""
        with self._turn:
            with self._house.stores.read() as connection:
                kept = kept_time(connection)
            if kept is not None:
                self._house.clock.forward(kept)
            yield self._house
