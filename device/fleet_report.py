"""What became of what a fleet sent."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Report:
    """What became of what was sent. Counts are of interactions, each counted once."""

    sent: int = 0
    acknowledged: int = 0
    """PUBACKed by the broker."""
    answered: Counter[str] = field(default_factory=Counter)
    """By the name of the answer: stored, forgotten, refused."""
    duplicated: int = 0
    """Acted on more than once: the cloud answered in words, and later again in others."""
    sent_again: int = 0
    """How often one was sent that had been before, for want of an answer or out of mischief."""
    cuts: int = 0
    online: int = 0
    reason: str = ""
    """Why the last one was refused."""
    latencies: list[float] = field(default_factory=list)
    """Seconds from the first sending to Stored."""

    @property
    def lost(self) -> int:
        """Sent and never answered; while the fleet runs, on its way."""
        return self.sent - self.answered.total()

    def latency_ms(self) -> dict[str, float]:
        """Percentiles, in milliseconds, from the first sending to Stored."""
        ordered = sorted(self.latencies) or [0.0]
        shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
        return {name: round(1000 * ordered[int(share * (len(ordered) - 1))], 1) for name, share in shares.items()}

    def figures(self) -> dict[str, object]:
        """What `--json` prints."""
        return {
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "stored": self.answered["stored"],
            "lost": self.lost,
            "duplicated": self.duplicated,
            "latency_ms": self.latency_ms(),
        }
