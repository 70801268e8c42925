"""What a storage lets a policy promise: some keep copies that no erasure reaches."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cloud_stub.retention.rules import Rule
from cloud_stub.stores.tables import NEVER_SEALED

if TYPE_CHECKING:
    from cloud_stub.retention.policy import Policy


def storage_problems(policy: "Policy", *, postgres: bool, backups: bool) -> Iterator[str]:
    """One line, with the remedy, for each kind of promise that the policy could not keep there.

    `postgres`: the stores are PostgreSQL's, whose write-ahead log keeps what was erased. `backups`: some are there, or
    are to be made.
    """
    if postgres and policy.backups is not None:
        yield (
            "PostgreSQL is backed up by its own means (pg_dump; the keys are not in it). Take [backups] out of the policy."
        )
    copies = " and ".join(["PostgreSQL's log"] * postgres + ["a backup"] * backups)
    if not copies:
        return
    # What is pseudonymised in the ledger is not in the rows: there it is the account's key that goes.
    rules = [rule for rule in policy.rules if rule.stores != ("ledger",)]
    if taking := [rule for rule in rules if rule.action in {"erase", "redact"} and not policy.sealed]:
        yield (
            f"{_first(policy, taking)} cannot be kept: {copies} still has what was erased. Seal it: write sealed = true in "
            f'the policy, or these three lines into a new one: name = "{policy.name}-sealed", based_on = "{policy.name}", '
            "sealed = true."
        )
    if renaming := [rule for rule in rules if rule.action == "pseudonymise"]:
        yield f"{_first(policy, renaming)} cannot be kept: {copies} still has the names. Erase, or keep."
    if showing := [rule for rule in rules if rule.action == "redact" and set(rule.fields) & set(NEVER_SEALED)]:
        yield (
            f"{_first(policy, showing)} cannot be kept: {copies} still has {' and '.join(NEVER_SEALED)}, which are never "
            "sealed. Erase, or keep."
        )


def _first(policy: "Policy", rules: list[Rule]) -> str:
    more = f" (and {len(rules) - 1} more)" if len(rules) > 1 else ""
    return f"{policy.name} rule {rules[0].number} ({rules[0]}){more}"
