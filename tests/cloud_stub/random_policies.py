"""Policies that decide every case at random: whatever the policy language can say about a record, they say."""

import random
from collections.abc import Iterable
from typing import Any

from cloud_stub.retention.rules import SETTINGS
from cloud_stub.stores.tables import RECORDS, THIRD_PARTIES, fields
from tests.cloud_stub.policies import TRIGGERS, policy_text

#: An account falls silent as a whole, so all rules that act on it name one period.
SILENCE = "P30D"
#: What a third party's answer is written into, and how the party is found again: no rule of these redacts them.
OPERATIONAL = {"partner", "status", "reference"}
#: Queues that a deletion may empty. That nothing comes back must then be remembered elsewhere.
QUEUES = ("seen", "directive", "quarantine")

Rule = tuple[tuple[str, str, str], dict[str, Any]]


def random_policy(chance: random.Random) -> str:
    """A policy that loads, as TOML, with defaults of its own for the household's settings."""
    rules = [*_records(chance), *_third_parties(chance), *_workings(chance)]
    return policy_text(dict(rules), dict(_settings(chance)), sealed=chance.random() < 0.3)


def _records(chance: random.Random) -> Iterable[Rule]:
    # Some policies erase most of what they meet, some hardly anything: of what is gone nothing more can be learned.
    actions = ["keep", "erase", "redact", "pseudonymise"]
    weights = [chance.randint(1, 4) for _ in actions]
    for (store, kind), table in RECORDS.items():
        for trigger in TRIGGERS:
            action = chance.choices(actions, weights)[0]
            if action == "keep":
                continue
            rule: dict[str, Any] = {"action": action}
            if action == "redact":
                names = sorted(set(fields(table)) - OPERATIONAL)
                rule["fields"] = chance.sample(names, chance.randint(1, len(names)))
            waits = {"age": ["P10D", "P25D", "P60D"], "inactive": [SILENCE]}.get(trigger, ["", "P5D", "P20D"])
            if after := chance.choice(waits):
                rule["after"] = after
            yield (store, kind, trigger), rule


def _third_parties(chance: random.Random) -> Iterable[Rule]:
    for name, kind in THIRD_PARTIES.items():
        for trigger in TRIGGERS:
            if trigger not in {"age", "setting_changed"} and chance.random() < 0.5:
                yield (f"third_parties/{name}", kind, trigger), {"action": "ask", "to": name} | _silence(trigger)


def _workings(chance: random.Random) -> Iterable[Rule]:
    """What is remembered of messages, settings and accounts, and for how long; deletions always are."""
    for kind in QUEUES:
        for trigger in TRIGGERS:
            if trigger not in {"age", "setting_changed"} and chance.random() < 0.6:
                yield ("operations", kind, trigger), {"action": "erase"} | _silence(trigger)
    if chance.random() < 0.5:
        yield ("operations", "setting", "account_closed"), {"action": "erase"}
    if chance.random() < 0.5:
        # An account with its devices, or they would be somebody's of whom nothing is known.
        for kind in ("account", "device"):
            yield ("operations", kind, "account_closed"), {"action": "erase", "after": "P20D"}
    if chance.random() < 0.5:
        yield ("ledger", "entry", "account_closed"), {"action": "pseudonymise"}


def _silence(trigger: str) -> dict[str, str]:
    return {"after": SILENCE} if trigger == "inactive" else {}


def _settings(chance: random.Random) -> Iterable[tuple[str, str]]:
    if chance.random() < 0.3:
        yield "auto_delete", chance.choice(["P7D", "P15D", "P45D"])
    if chance.random() < 0.2:
        yield chance.choice(sorted(set(SETTINGS) - {"auto_delete"})), "no"
