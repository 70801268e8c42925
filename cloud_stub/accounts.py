"""Accounts and devices: whose a device is, since when, and whether the account is still open."""

import re
from collections.abc import Iterable

from sqlalchemy import Connection, and_, delete, insert, select, update

from cloud_stub.contract.messages import DEVICE_PATTERN, rfc3339
from cloud_stub.errors import CloudError
from cloud_stub.retention.clock import SystemClock
from cloud_stub.stores.repository import write_missing
from cloud_stub.stores.tables import account, device, setting

#: Whose an unregistered device is, as long as no device is registered at all.
DEFAULT = "household"

_REGISTERED = and_(setting.c.account == "", setting.c.name == "registered")


def owners(connection: Connection, devices: Iterable[str]) -> dict[str, str]:
    """The account of each device. One that is missing in the answer is not registered, though others are."""
    wanted = set(devices)
    registered = select(device.c.device, device.c.account).where(device.c.device.in_(wanted))
    known = {row.device: row.account for row in connection.execute(registered)}
    if not known and connection.execute(select(setting.c.value).where(_REGISTERED)).first() is None:
        return dict.fromkeys(wanted, DEFAULT)
    return known


def devices(connection: Connection, name: str | None) -> list[str]:
    """The devices that are registered as that account's, or all."""
    mine = select(device.c.device).order_by(device.c.device)
    return list(connection.execute(mine if name is None else mine.where(device.c.account == name)).scalars())


def known(connection: Connection) -> list[str]:
    """The accounts that are open, and the one that every device is of as long as none is registered."""
    still_open = select(account.c.account).where(account.c.closed_at.is_(None)).order_by(account.c.account)
    names = list(connection.execute(still_open).scalars())
    if connection.execute(select(setting.c.value).where(_REGISTERED)).first() is None:
        names = [DEFAULT, *(name for name in names if name != DEFAULT)]
    return names


def closed(connection: Connection, names: Iterable[str]) -> set[str]:
    """Which of these accounts are closed."""
    mine = select(account.c.account).where(account.c.account.in_(set(names)), account.c.closed_at.is_not(None))
    return set(connection.execute(mine).scalars())


def heard(connection: Connection, names: Iterable[str], now: str) -> None:
    """Note that these accounts have just said something; an account is opened by its first word."""
    rows = [{"account": name, "child": 0, "received_at": now, "heard_at": now} for name in sorted(set(names))]
    if rows:
        write_missing(connection, account, rows)
        connection.execute(update(account).where(account.c.account.in_(names)).values(heard_at=now))


def register(connection: Connection, clock: SystemClock, name: str, owner: str, *, child: bool) -> None:
    """Give a device to an account, opening the account where it is new. Raises CloudError for a closed one."""
    for what, given in (("device", name), ("account", owner)):
        if not re.match(DEVICE_PATTERN, given):
            raise CloudError(f"{given!r} is no name for a {what}. Use lower-case letters, digits, - and _, up to 64.")
    if closed(connection, [owner]):
        raise CloudError(f"the account {owner} is closed, and stays so. Choose another name.")
    now = rfc3339(clock.now())
    if connection.execute(select(account.c.account).where(account.c.account == owner)).first() is None:
        connection.execute(
            insert(account), {"account": owner, "child": int(child), "received_at": now, "heard_at": now}
        )
    elif child:
        connection.execute(update(account).where(account.c.account == owner).values(child=1))
    connection.execute(delete(device).where(device.c.device == name))
    connection.execute(insert(device), {"device": name, "account": owner, "received_at": now})
    # From now on, and also when the last registered device is gone, no device is anybody's without being registered.
    connection.execute(delete(setting).where(_REGISTERED))
    connection.execute(insert(setting), {"account": "", "name": "registered", "value": "yes", "received_at": now})
