"""What ought to be there: the policy language's promises, worked out record by record, without the engine's code.

- A trigger meets the records that are still its account's: neither erased nor under a pseudonym.
- A rule acts at once, or, with `after`, in the first sweep after its period, which counts from the first time that the
  trigger met the record (for age, from the record's arrival; of silence it is the length).
- Each rule holds for itself. The earlier erasure wins, and what one sweep erases is not pseudonymised by it instead.
- A record has room for one date: a pseudonymisation that waits for its time together with a later erasure is made at
  once, and a redaction that waits together with anything may be.
- What is deleted is an interaction, whole. Auto-delete goes by each record's own age.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cloud_stub.contract.messages import rfc3339, time_of
from cloud_stub.retention.policy import Policy
from cloud_stub.retention.rules import Period, Rule, Trigger
from cloud_stub.stores.tables import THIRD_PARTIES

#: Store, kind, when it arrived, position: what a record is known by, whatever becomes of its names.
Key = tuple[str, str, str, int]

#: The kinds that a setting is about, for the rules of setting_changed.
ABOUT = {
    "save_recordings": {("primary", "recording")},
    "use_for_improvement": {("training", "recording"), ("training", "transcript")},
}
LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass
class Remembered:
    """A record as it came, and what has become of it."""

    key: Key
    account: str
    interaction: str
    device: str
    at: str
    fields: dict[str, Any] = field(repr=False)
    pseudonym: str
    """Of its interaction, in the ledger."""
    waiting: dict[Trigger, tuple[datetime, Rule]] = field(default_factory=dict)
    decided: set[Trigger] = field(default_factory=set)
    """The triggers that met it while the ledger could still name it, which it must then say."""
    met: set[Trigger] = field(default_factory=set)
    redacted: set[str] = field(default_factory=set)
    early: set[str] = field(default_factory=set)
    """Fields that may be redacted before their time, because something else waits too."""
    pseudonymous: bool = False
    erased: bool = False

    def wait(self, trigger: Trigger, due: datetime, rule: Rule) -> None:
        """The trigger's rule is to be carried out when it is due."""
        self.waiting[trigger] = (due, rule)
        self.pseudonymous = self._due("pseudonymise") <= self._due("erase") < LATEST
        if len(self.waiting) > 1:
            self.early.update(name for _, rule in self.waiting.values() for name in rule.fields)

    def _due(self, action: str) -> datetime:
        """When the first change of that kind will come that waits."""
        return min((due for due, rule in self.waiting.values() if rule.action == action), default=LATEST)


@dataclass(frozen=True)
class Taken:
    """A deletion: of one interaction, or of what lies in a time by the device's clock or by the cloud's."""

    interaction: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    asked: datetime | None = None

    def takes(self, interaction: str, at: str, received: str) -> bool:
        if self.interaction is not None:
            return interaction == self.interaction
        assert self.until is not None
        assert self.asked is not None
        since = rfc3339(self.since) if self.since else ""
        return since <= at <= rfc3339(self.until) or since <= received <= rfc3339(self.asked)


@dataclass
class Home:
    """An account."""

    settings: dict[str, str]
    child: bool = False
    known: bool = True
    """Whether the cloud still knows of it (or does already)."""
    heard: datetime | None = None
    fell_silent: datetime | None = None
    closed: datetime | None = None
    unnamed: bool = False
    """Whether the key is gone that ties the ledger to it."""
    taken: list[Taken] = field(default_factory=list)
    arrivals: dict[str, list[str]] = field(default_factory=dict)
    """When the parts of its interactions came, as long as that is remembered: a deletion by time goes by these too."""
    answered: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class Model:
    """Every account, every record, every request to a third party."""

    policy: Policy
    homes: dict[str, Home]
    records: list[Remembered] = field(default_factory=list)
    erased: Counter[tuple[str, str]] = field(default_factory=Counter)
    asked: list[tuple[Trigger, str, Remembered]] = field(default_factory=list)
    """What a third party had to be asked to delete: by which trigger, whom, about which record."""

    def reachable(self, account: str) -> list[Remembered]:
        return [r for r in self.records if r.account == account and not r.erased and not r.pseudonymous]

    def deleted(self, account: str, interaction: str, at: str, now: datetime) -> bool:
        """Whether a deletion takes a message of that interaction."""
        return any(taken.takes(interaction, at, rfc3339(now)) for taken in self.homes[account].taken)

    def time_of(self, account: str, interaction: str) -> str:
        """When an interaction was said, as far as a recording that arrives can tell."""
        for record in self.reachable(account):
            if record.interaction == interaction and record.key[:2] == ("primary", "transcript"):
                return record.at
        return rfc3339(time_of(interaction))

    def delete(self, account: str, taken: Taken, now: datetime, trigger: Trigger = "user_delete") -> None:
        """A deletion holds from now on, for what is there and for what arrives."""
        home = self.homes[account]
        home.taken.append(taken)
        names = {r.interaction for r in self.reachable(account) if taken.takes(r.interaction, r.at, r.key[2])}
        for name, times in home.arrivals.items():
            if any(taken.takes(name, time, time) for time in times):
                names.add(name)
        home.taken += [Taken(interaction=name) for name in sorted(names)]
        self.fire(trigger, [r for r in self.reachable(account) if r.interaction in names], now)
        if self.policy.rule("operations", "seen", trigger).action == "erase":
            home.arrivals = {name: times for name, times in home.arrivals.items() if name not in names}

    def fire(self, trigger: Trigger, records: Iterable[Remembered], now: datetime) -> None:
        """A trigger meets these records."""
        for record in records:
            store, kind = record.key[:2]
            rule = self.policy.rule(store, kind, trigger)
            self._ask(trigger, record)
            if not self.homes[record.account].unnamed:
                record.decided.add(trigger)
            if rule.after is None or trigger == "inactive":
                self._apply(record, rule)
            elif trigger not in record.met:
                record.wait(trigger, now + _length(rule.after), rule)
            record.met.add(trigger)

    def change_setting(self, account: str, name: str, value: str, now: datetime) -> None:
        self.homes[account].settings[name] = value
        if name in ABOUT and value == "no":
            self.fire("setting_changed", [r for r in self.reachable(account) if r.key[:2] in ABOUT[name]], now)

    def forget(self, account: str) -> None:
        """The household drops the newest fact that it has told and that still says something."""
        facts = [r for r in self.reachable(account) if r.key[:2] == ("actions", "fact") and "text" not in r.redacted]
        if facts:
            self._erase(max(facts, key=lambda r: r.interaction))

    def last(self, account: str, interaction: str, device: str, at: str) -> str | None:
        """What was said before that on the same device, of what is still known to have been said on it."""
        said = [r for r in self.reachable(account) if r.key[:2] == ("primary", "transcript") and r.device == device]
        return max((r.interaction for r in said if r.at <= at and r.interaction != interaction), default=None)

    def close(self, account: str, now: datetime) -> None:
        home = self.homes[account]
        home.closed, home.known = now, True
        self.delete(account, Taken(until=now, asked=now), now, "account_closed")
        if self.policy.rule("operations", "setting", "account_closed").action == "erase":
            home.settings = dict(self.policy.settings)
        home.unnamed = self.policy.rule("ledger", "entry", "account_closed").action == "pseudonymise"

    def sweep(self, now: datetime) -> None:
        """All that is due is done."""
        for account, home in self.homes.items():
            if home.known and home.settings["auto_delete"] != "never":
                self._auto_delete(account, now - _length(Period(home.settings["auto_delete"])), now)
            self._silence(account, now)
        for record in self.records:
            self._sweep(record, now)
        rule = self.policy.rule("operations", "account", "account_closed")
        for home in self.homes.values():
            if home.closed is not None and rule.after is not None and home.closed + _length(rule.after) <= now:
                home.closed, home.known = None, False

    def _auto_delete(self, account: str, before: datetime, now: datetime) -> None:
        for record in self.reachable(account):
            if record.key[2] > rfc3339(before):
                continue
            before_it = record.met - {"inactive", "user_delete"}
            if before_it and self.policy.rule(*record.key[:2], "user_delete").action == "keep":
                # Another trigger has met it, and this one keeps it: nothing is left to decide.
                continue
            told = set(record.decided)
            self.fire("user_delete", [record], now)
            if before_it:
                # Nor is there, perhaps, where the other one does as much.
                record.decided = told

    def _silence(self, account: str, now: datetime) -> None:
        home, after = self.homes[account], self.policy.inactive_after()
        if not home.child or not home.known or after is None or home.heard is None:
            return
        fell_silent = home.fell_silent is not None and home.fell_silent >= home.heard
        if home.heard + _length(after) <= now and not fell_silent:
            home.fell_silent = now
            self.delete(account, Taken(until=now, asked=now), now, "inactive")

    def _sweep(self, record: Remembered, now: datetime) -> None:
        if record.erased:
            return
        age = self.policy.rule(*record.key[:2], "age")
        waiting: list[tuple[Trigger, datetime, Rule]] = [(name, *found) for name, found in record.waiting.items()]
        if age.after is not None:
            waiting.append(("age", datetime.fromisoformat(record.key[2]) + _length(age.after), age))
        for trigger, due, rule in sorted(
            waiting, key=lambda one: ("erase", "redact", "pseudonymise").index(one[2].action)
        ):
            if due <= now:
                named = not (record.pseudonymous or self.homes[record.account].unnamed)
                if trigger == "age" and named and self._undone(record, rule):
                    record.decided.add(trigger)
                record.waiting.pop(trigger, None)
                self._apply(record, rule)

    def _undone(self, record: Remembered, rule: Rule) -> bool:
        """Whether the rule would still change the record."""
        if record.erased or rule.action != "redact":
            return not record.erased and rule.action in {"erase", "pseudonymise"}
        return any(record.fields.get(name) is not None and name not in record.redacted for name in rule.fields)

    def _apply(self, record: Remembered, rule: Rule) -> None:
        if record.erased:
            return
        if rule.action == "erase":
            self._erase(record)
        elif rule.action == "redact":
            record.redacted.update(rule.fields)
        elif rule.action == "pseudonymise":
            record.pseudonymous = True

    def _erase(self, record: Remembered) -> None:
        record.erased = True
        self.erased[record.key[:2]] += 1

    def _ask(self, trigger: Trigger, record: Remembered) -> None:
        store, kind = record.key[:2]
        for partner, shared in THIRD_PARTIES.items():
            asks = self.policy.rule(f"third_parties/{partner}", shared, trigger).action == "ask"
            if asks and (store, kind) == ("commerce", shared):
                self.asked.append((trigger, partner, record))


def _length(period: Period) -> timedelta:
    """Random policies count in days only."""
    return timedelta(days=int(period.text[1:-1]))
