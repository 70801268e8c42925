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
        yield "PostgreSQL is backed up by its own means (pg_dump; the keys are not in it). Take [backups] out."
    copies = " and ".join(["PostgreSQL's log"] * postgres + ["backups"] * backups)
    if not copies:
        return
    # What the ledger pseudonymises is not renamed: the account's key goes, which is in no copy.
    rules = [rule for rule in policy.rules if rule.stores != ("ledger",)]
    erasing = [rule for rule in rules if rule.action in {"erase", "redact"}]
    if erasing and not policy.sealed:
        yield (
            f"{_first(policy, erasing)} cannot be kept: what was erased stays in {copies}. Write sealed = true in the "
            f'policy, or, for one that ships, a file of three lines: name = "{policy.name}-sealed", '
            f'based_on = "{policy.name}", sealed = true.'
        )
    if renaming := [rule for rule in rules if rule.action == "pseudonymise"]:
        yield f"{_first(policy, renaming)} cannot be kept: the names stay in {copies}. Erase, or keep."
    if showing := [rule for rule in erasing if set(rule.fields) & set(NEVER_SEALED)]:
        plain = " and ".join(NEVER_SEALED)
        yield f"{_first(policy, showing)} cannot be kept: {plain} stay readable in {copies}. Erase, or keep."


def _first(policy: "Policy", rules: list[Rule]) -> str:
    more = f" (and {len(rules) - 1} more)" if len(rules) > 1 else ""
    return f"{policy.name} rule {rules[0].number} ({rules[0]}){more}"
