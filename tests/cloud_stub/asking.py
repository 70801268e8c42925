"""Asking the assistant something, with what it remembers given by the test."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cloud_stub.assistant import Assistant, Outcome, Request

BERLIN = ZoneInfo("Europe/Berlin")
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
#: A wednesday, five past three in the afternoon in Berlin, five past six in the morning in Los Angeles.
AT = datetime(2026, 6, 3, 13, 5, tzinfo=UTC)

ASSISTANT = Assistant()

Row = Mapping[str, str | int | None]


@dataclass
class Remembered:
    """A Memory of what the test says, newest first."""

    told: list[str] = field(default_factory=list)
    done: dict[str, list[Row]] = field(default_factory=dict)

    def facts(self, account: str) -> list[str]:
        assert account == "household"
        return self.told

    def actions(self, account: str, kind: str) -> list[Row]:
        assert account == "household"
        return self.done.get(kind, [])


def ask(text: str, *told: str, at: datetime = AT, zone: ZoneInfo = BERLIN, **done: list[Row]) -> Outcome:
    return ASSISTANT.answer(Request("household", "id", "kitchen", at, zone, text), Remembered([*told], done))
