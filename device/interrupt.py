"""Ctrl-C, and a service manager's way of pressing it (SIGTERM)."""

import signal
from types import FrameType


class Interrupt:
    """Raises KeyboardInterrupt when it comes, and remembers it.

    Python drops what is raised within a destructor, and one of Vosk's runs after every request. So whoever works in a
    loop looks at `asked` besides.
    """

    def __init__(self) -> None:
        """From now on both signals are ours."""
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        raise KeyboardInterrupt
