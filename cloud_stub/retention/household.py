"""The household's settings: parameters of the active policy, and what changing one of them touches."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select

from cloud_stub.errors import CloudError
from cloud_stub.retention import checker
from cloud_stub.retention.policy import Policy
from cloud_stub.retention.rules import SETTINGS, allowed
from cloud_stub.stores.tables import account as accounts
from cloud_stub.stores.tables import setting

#: The kinds of record that a setting is about. When it is narrowed, the rules for setting_changed hold for these.
TOUCHES: dict[str, tuple[tuple[str, str], ...]] = {
    "save_recordings": (("primary", "recording"),),
    "use_for_improvement": (("training", "recording"), ("training", "transcript")),
}


@dataclass(frozen=True)
class Household:
    """The settings in force for one account: its own, else the policy's."""

    auto_delete: str
    """"never", or the ISO 8601 period after which an interaction counts as deleted by its user."""
    save_recordings: bool
    use_for_improvement: bool
    delete_by_voice: bool


def of(connection: Connection, policy: Policy, account: str) -> Household:
    """The account's settings."""
    return of_accounts(connection, policy, [account])[account]


def of_accounts(connection: Connection, policy: Policy, names: Iterable[str]) -> dict[str, Household]:
    """The settings of several accounts, by account."""
    own: dict[str, dict[str, str]] = {name: {} for name in names}
    mine = select(setting.c.account, setting.c.name, setting.c.value).where(setting.c.account.in_(own))
    for row in connection.execute(mine):
        own[row.account][row.name] = row.value
    return {name: _household(policy, values) for name, values in own.items()}


def _household(policy: Policy, own: Mapping[str, str]) -> Household:
    values = policy.settings | {name: value for name, value in own.items() if name in SETTINGS}
    return Household(
        auto_delete=values["auto_delete"],
        save_recordings=values["save_recordings"] == "yes",
        use_for_improvement=values["use_for_improvement"] == "yes",
        delete_by_voice=values["delete_by_voice"] == "yes",
    )


def words(own: Household) -> dict[str, Any]:
    """The settings' values in the words in which they are set, by name."""
    return {name: {True: "yes", False: "no"}.get(value, value) for name, value in asdict(own).items()}


def auto_deletes(connection: Connection, policy: Policy) -> list[tuple[str, str]]:
    """(account, ISO 8601 period) of every account whose interactions count as deleted once they are so old."""
    own = and_(setting.c.account == accounts.c.account, setting.c.name == "auto_delete")
    wish = func.coalesce(setting.c.value, policy.settings["auto_delete"])
    wished = select(accounts.c.account, wish).select_from(accounts.outerjoin(setting, own)).where(wish != "never")
    return [(name, period) for name, period in connection.execute(wished.order_by(accounts.c.account))]


def change(connection: Connection, account: str, name: str, value: str, now: str) -> None:
    """Write one setting. Raises CloudError for a setting or a value that does not exist, naming those that do."""
    check(name, value)
    connection.execute(delete(setting).where(setting.c.account == account, setting.c.name == name))
    row: dict[str, Any] = {"account": account, "name": name, "value": value, "received_at": now}
    connection.execute(insert(setting), row)


def check(name: str, value: str) -> None:
    """Raise CloudError unless that setting can have that value."""
    if name not in SETTINGS:
        raise CloudError(f"no setting is called {name!r}. There are {', '.join(SETTINGS)}.")
    if not allowed(name, value):
        raise CloudError(f"{name} cannot be {value!r}. Choose of {checker.choices(name)}.")


def narrowed(name: str, value: str) -> bool:
    """Whether the value takes something back, so that the rules for setting_changed hold."""
    return name in TOUCHES and value == "no"
