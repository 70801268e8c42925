"""One data folder, opened: stores, keys, clock, policy and engine, as `serve` and every command need them together."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, func, insert, select, union_all

from cloud_stub import restoring
from cloud_stub.contract.messages import rfc3339
from cloud_stub.errors import CloudError
from cloud_stub.residue import canary
from cloud_stub.retention import policy as policies
from cloud_stub.retention.clock import SimulatedClock, SystemClock, keep_time, kept_time
from cloud_stub.retention.engine import Engine
from cloud_stub.retention.policy import Policy
from cloud_stub.retention.storage import storage_problems
from cloud_stub.stores import address, backups
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.repository import Stores
from cloud_stub.stores.tables import CONTENT, setting

DEFAULT_POLICY = "amazon-2019"


@dataclass(frozen=True)
class House:
    """Everything that works on one data folder."""

    data: Path
    stores: Stores
    keys: Keys
    clock: SystemClock
    policy: Policy
    engine: Engine


@contextmanager
def open_house(
    data: Path,
    policy: str | None = None,
    *,
    store: str | None = None,
    create: bool = False,
    simulated: bool | datetime = False,
) -> Iterator[House]:
    """Open the data folder; finish any deletion or restore that a crash cut off before anything can be read.

    Without `policy` the folder's own holds: the one that it was last served with. A folder once opened with `simulated`
    (a time to begin at, or True for now) keeps its simulated clock. `store` is the address of the PostgreSQL database
    that the stores are in; with `create` the folder remembers it, without a password. Raises CloudError where there is
    no such folder (unless `create`), or where it or the database cannot be read or written.
    """
    if not create and not (data / "cloud").is_dir():
        raise CloudError(f"nothing is stored in {data}. Start with: cloud-stub serve --data {data}")
    try:
        database = address.of_folder(data / "cloud", store)
        keys = Keys(data)
        stores = Stores(data, database, keys.seal.keys)
        if database is not None and create:
            address.remember(stores.folder, database)
    except OSError as error:
        raise CloudError(f"the data folder {data} cannot be used: {error}. Choose another with --data.") from error
    try:
        clock = _clock(stores, simulated=simulated)
        chosen = _policy(stores, keys, policy)
        house = House(data, stores, keys, clock, chosen, Engine(stores, keys, chosen, clock))
        restoring.finish(house)
        yield house
    finally:
        keys.close()
        stores.close()


def _clock(stores: Stores, *, simulated: bool | datetime) -> SystemClock:
    """The folder's simulated clock where it has one, or gets one now; else the machine's."""
    with stores.read() as connection:
        kept = kept_time(connection)
    if kept is None and not simulated:
        return SystemClock()
    if kept is None:
        kept = simulated if isinstance(simulated, datetime) else SystemClock().now()
        with stores.write() as connection:
            keep_time(connection, kept)
    return SimulatedClock(kept)


def _policy(stores: Stores, keys: Keys, wanted: str | None) -> Policy:
    """The policy asked for, which the folder then remembers, or the one it remembers.

    Raises CloudError where the folder could not keep what it promises.
    """
    remembered = select(setting.c.value).where(setting.c.account == "", setting.c.name == "policy")
    with stores.read() as connection:
        before = connection.execute(remembered).scalar()
    loaded = policies.load(wanted or before or DEFAULT_POLICY)
    # The one place that knows where the records are.
    for problem in storage_problems(loaded, postgres=not stores.files, backups=backups.exist(stores.folder)):
        raise CloudError(problem)
    _check_seals(stores, keys, loaded)
    keys.seal.on = loaded.sealed
    if wanted is not None and wanted != before:
        # A file's path is remembered whole, so that a command run elsewhere finds it.
        name = wanted if wanted in policies.names() else str(Path(wanted).absolute())
        with stores.write() as connection:
            connection.execute(delete(setting).where(setting.c.account == "", setting.c.name == "policy"))
            row = {"account": "", "name": "policy", "value": name, "received_at": rfc3339(SystemClock().now())}
            connection.execute(insert(setting), row)
    return loaded


def _check_seals(stores: Stores, keys: Keys, policy: Policy) -> None:
    """A folder is sealed from its first record on or not at all: in copies, what was written otherwise would stay so.

    Raises CloudError where the policy wants the other, or where the keys are not those of the folder.
    """
    with stores.read() as connection:
        # The canary is never sealed: a search for residue could not find it then.
        ours = [select(table.c.seal).where(table.c.account != canary.ACCOUNT).limit(1).subquery() for table in CONTENT]
        some = connection.execute(union_all(*(select(row.c.seal) for row in ours))).scalars().all()
        highest = (select(func.max(table.c.seal)).where(table.c.seal > 0) for table in CONTENT)
        newest = connection.execute(union_all(*highest)).scalars().all()
    if any((seal is not None) != policy.sealed for seal in some):
        raise CloudError(
            f"the records in {stores.folder} are {'not ' if policy.sealed else ''}sealed, and {policy.name} wants them "
            f"{'' if policy.sealed else 'not '}so. Choose a policy with sealed = {str(not policy.sealed).lower()}, or "
            "another folder with --data."
        )
    if max(filter(None, newest), default=0) > keys.seal.keys.last():
        raise CloudError(
            f"{stores.folder / 'keys.db'} does not have the keys of the records here, so nobody can read them. Put the "
            "file back, or begin in another folder with --data."
        )
