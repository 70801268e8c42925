"""The words that policies are written in: triggers, actions, periods, settings, rules."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import isodate

from cloud_stub.stores import tables

Trigger = Literal["user_delete", "age", "inactive", "account_closed", "setting_changed", "third_party_request"]
Action = Literal["erase", "redact", "pseudonymise", "keep", "ask"]

#: Household settings and the values each can have, the default first. A policy may set other defaults.
SETTINGS: dict[str, tuple[str, ...]] = {
    "auto_delete": ("never", "P3M", "P18M"),
    "save_recordings": ("yes", "no"),
    "use_for_improvement": ("yes", "no"),
    "delete_by_voice": ("yes", "no"),
}

_PERIOD = re.compile(r"P[0-9.,YMWDTHS]*[YMWDHS]")


@dataclass(frozen=True)
class Period:
    """A length of time in ISO 8601 (P30D, P3M, PT1H); months and years are those of the calendar."""

    text: str

    def __post_init__(self) -> None:
        """Raise ValueError where the text is no such period, or none that a calendar can count (P0.5M, P9999Y)."""
        wrong = f"{self.text!r} is no ISO 8601 period"
        if not _PERIOD.fullmatch(self.text):
            raise ValueError(wrong)
        try:
            self.before(datetime(2000, 1, 1, tzinfo=UTC))
            self.since(datetime(2100, 1, 1, tzinfo=UTC))
        except (ValueError, OverflowError) as error:
            raise ValueError(wrong) from error

    def __str__(self) -> str:
        """The period as it was written."""
        return self.text

    def before(self, moment: datetime) -> datetime:
        """That long before `moment`: what happened by then is due now."""
        earlier: datetime = moment - isodate.parse_duration(self.text)
        return earlier

    def since(self, moment: datetime) -> datetime:
        """That long after `moment`."""
        later: datetime = moment + isodate.parse_duration(self.text)
        return later


@dataclass(frozen=True)
class Backups:
    """How often a backup is made, and how long each is kept."""

    every: Period
    keep: Period


def allowed(setting: str, value: object) -> bool:
    """Whether the household's setting can have that value; auto_delete may be any period."""
    if value in SETTINGS[setting]:
        return True
    try:
        return setting == "auto_delete" and bool(Period(str(value)))
    except ValueError:
        return False


@dataclass(frozen=True)
class Rule:
    """What happens to records of some kinds when a trigger fires, and the words that the rule stands on."""

    number: int
    line: int
    stores: tuple[str, ...]
    kinds: tuple[str, ...]
    triggers: tuple[str, ...]
    action: Action
    because: str
    source: str = ""
    fields: tuple[str, ...] = ()
    to: str = ""
    after: Period | None = None
    assumed: bool = False

    def cases(self) -> Iterator[tuple[str, str, str]]:
        """Every (store, kind, trigger) that the rule speaks for."""
        known = set(tables.kinds())
        for store in self.stores:
            for kind in self.kinds:
                if (store, kind) in known:
                    yield from ((store, kind, trigger) for trigger in self.triggers)

    def __str__(self) -> str:
        """In a few words, such as `erase after P30D`."""
        what = {"redact": f"redact {', '.join(self.fields)}", "ask": f"ask {self.to}"}.get(self.action, self.action)
        return what + (f" after {self.after.text}" if self.after else "")
