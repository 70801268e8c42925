"""The sound that was just heard, addressed by its place in the stream: so that the stream can be read again."""

import numpy as np
from numpy.typing import NDArray

from device.audio_source import Block


class RecentSound:
    """Samples `start` to `end` of a stream. Appending is cheap: what is kept is moved only now and then."""

    def __init__(self, room: int) -> None:
        """`room` is how many samples it usually keeps; it grows when it has to."""
        self._room = room
        self.start = self.end = 0
        self._sound: NDArray[np.int16] = np.zeros(2 * room, np.int16)
        self._first = 0  # index of the oldest sample

    def append(self, block: Block) -> None:
        """Keep the next samples, int16 of shape (n,), too."""
        held = self.end - self.start
        if self._first + held + block.size > self._sound.size:
            # A new array, because pieces of the old one may be in use.
            sound = np.zeros(2 * max(self._room, held + block.size), np.int16)
            sound[:held] = self._sound[self._first : self._first + held]
            self._sound, self._first = sound, 0
        self._sound[self._first + held :][: block.size] = block
        self.end += block.size

    def keep(self, samples: int) -> None:
        """Let go of all but the last so many."""
        if (over := self.end - self.start - samples) > 0:
            self.start += over
            self._first += over

    def forget(self) -> None:
        """Let go of all at once: not one sample stays in memory here."""
        self.start = self.end
        self._sound, self._first = np.zeros(2 * self._room, np.int16), 0

    def piece(self, position: int, most: int) -> Block:
        """Up to `most` samples from `position` on, which lies between `start` and `end`."""
        first = self._first + position - self.start
        return self._sound[first : min(first + most, self._first + self.end - self.start)]
