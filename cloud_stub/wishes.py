"""What a household may ask of the cloud by command or on the page: delete, close the account, change a setting."""

from dataclasses import dataclass
from datetime import datetime

from cloud_stub.contract.messages import new_id, rfc3339
from cloud_stub.errors import CloudError
from cloud_stub.house import House
from cloud_stub.retention import household
from cloud_stub.retention.scopes import Scope
from cloud_stub.retention.sweeper import Sweeper


@dataclass(frozen=True)
class Planned:
    """What a deletion does to one kind of record, under which rule."""

    store: str
    kind: str
    records: int
    action: str
    due: str | None
    """When (RFC 3339, UTC); None for at once, and for records that stay."""
    rule: str
    clause: str


def deletion(
    house: House,
    account: str,
    *,
    interaction: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Scope:
    """What to delete: one interaction, or all that was said from `since` to `until`, by default all so far."""
    now = house.clock.now()
    return Scope(
        id=new_id(),
        account=account,
        requested_at=rfc3339(min(now, until or now)),
        interaction=interaction,
        since=rfc3339(since) if since else None,
        until=None if interaction else rfc3339(until or now),
    )


def closing(house: House, account: str) -> Scope:
    """What closing the account takes; Engine.close_account does it."""
    now = rfc3339(house.clock.now())
    return Scope(new_id(), account, now, until=now, trigger="account_closed")


def plan(house: House, scope: Scope) -> list[Planned]:
    """What that will do. Reads only."""
    with house.stores.read() as connection:
        steps = house.engine.plan(connection, scope)
    return [
        Planned(
            step.store, step.kind, step.records, str(step.rule), step.due, house.engine.cite(step), step.rule.because
        )
        for step in steps
    ]


def close_account(house: House, account: str) -> Scope:
    """Close it for good. Raises CloudError where there is nothing of it."""
    if not plan(house, closing(house, account)):
        raise CloudError(f"there is no account {account!r}, and nothing of it.")
    return house.engine.close_account(account)


def change_setting(house: House, account: str, name: str, value: str) -> None:
    """Change a setting, and do what falls due by it. Raises CloudError for one that does not exist."""
    with house.stores.write() as connection:
        house.engine.change_setting(connection, account, name, value)
    sweeper(house).sweep()
    house.stores.checkpoint()


def settings(house: House, account: str) -> dict[str, str]:
    """The settings in force, in the words in which they are set."""
    with house.stores.read() as connection:
        return household.words(household.of(connection, house.policy, account))


def sweeper(house: House) -> Sweeper:
    """The house's sweeper, at rest."""
    return Sweeper(house.stores, house.keys, house.engine, house.clock)
