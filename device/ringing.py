"""What rings at the moment: told once when it falls due, until it is stopped."""

from collections.abc import Callable

from device.alerts import Kept
from device.keeping import Keeping


class Ringing:
    """Looks after the alerts that have fallen due. `now` are those that ring."""

    def __init__(self, keeping: Keeping, tell: Callable[[str], None], *, words: bool) -> None:
        """Without `words` nothing that a person said is told."""
        self.now: set[Kept] = set()
        self._keeping, self._tell, self._words = keeping, tell, words

    def look(self) -> None:
        """See what rings by the device's clock, and tell of what did not before."""
        ringing = set(self._keeping.alerts.ringing(self._keeping.clock.now()))
        for kept in ringing - self.now:
            self._tell(f"ring    {kept.told(words=self._words)}. Say 'stop' to stop it.")
        self.now = ringing

    def stop(self) -> None:
        """Stop all of it. Raises EchoError where the disk is full."""
        try:
            self._keeping.alerts.stop(self._keeping.clock.now())
        finally:
            self.look()
