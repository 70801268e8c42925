"""Policies for tests: what is named is done, everything else is kept."""

from collections.abc import Mapping
from typing import Any, get_args

from cloud_stub.retention.rules import Trigger
from cloud_stub.stores.tables import kinds

TRIGGERS: tuple[Trigger, ...] = get_args(Trigger)

#: (store, kind, trigger) -> what a rule says beside its case: action, after, fields, to.
Cases = Mapping[tuple[str, str, str], Mapping[str, Any]]


def policy_text(cases: Cases, settings: Mapping[str, str] | None = None, *, sealed: bool = False) -> str:
    """The policy as TOML."""
    lines = ['name = "for-a-test"', f"sealed = {str(sealed).lower()}", "[settings]"]
    lines += [f'{name} = "{value}"' for name, value in (settings or {}).items()]
    for store, kind in kinds():
        for trigger in TRIGGERS:
            rule = {"store": store, "kind": kind, "trigger": trigger}
            rule |= cases.get((store, kind, trigger), {"action": "keep"})
            lines += ["", "[[rule]]", *(f"{name} = {value!r}" for name, value in rule.items())]
            lines += ['because = "for a test (assumed)"', "assumed = true"]
    return "\n".join(lines)
