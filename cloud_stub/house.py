"""One data folder, opened: stores, keys, clock, policy and engine, as `serve` and every command need them together."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, insert, select

from cloud_stub.contract.messages import rfc3339
from cloud_stub.errors import CloudError
from cloud_stub.retention import policy as policies
from cloud_stub.retention.clock import SimulatedClock, SystemClock, keep_time, kept_time
from cloud_stub.retention.engine import Engine
from cloud_stub.retention.policy import Policy
from cloud_stub.stores import address
from cloud_stub.stores.keys import Keys
from cloud_stub.stores.repository import Stores
from cloud_stub.stores.tables import setting

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
    """Open the data folder, and finish any deletion that a crash interrupted before anything can be read.

    Without `policy` the folder's own holds: the one that it was last served with. A folder once opened with `simulated`
    (a time to begin at, or True for now) keeps its simulated clock. `store` is the address of the PostgreSQL database
    that the stores are in; with `create` the folder remembers it, without a password. Raises CloudError where there is
    no such folder (unless `create`), or where it or the database cannot be read or written.
    """
    if not create and not (data / "cloud").is_dir():
        raise CloudError(f"nothing is stored in {data}. Start with: cloud-stub serve --data {data}")
    try:
        database = address.of_folder(data / "cloud", store)
        stores = Stores(data, database)
        if database is not None and create:
            address.remember(stores.folder, database)
        keys = Keys(data)
    except OSError as error:
        raise CloudError(f"the data folder {data} cannot be used: {error}. Choose another with --data.") from error
    try:
        clock = _clock(stores, simulated=simulated)
        chosen = _policy(stores, policy)
        yield House(data, stores, keys, clock, chosen, Engine(stores, keys, chosen, clock))
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


def _policy(stores: Stores, wanted: str | None) -> Policy:
    """The policy asked for, which the folder then remembers, or the one it remembers."""
    remembered = select(setting.c.value).where(setting.c.account == "", setting.c.name == "policy")
    with stores.read() as connection:
        before = connection.execute(remembered).scalar()
    loaded = policies.load(wanted or before or DEFAULT_POLICY)
    if wanted is not None and wanted != before:
        # A file's path is remembered whole, so that a command run elsewhere finds it.
        name = wanted if wanted in policies.names() else str(Path(wanted).absolute())
        with stores.write() as connection:
            connection.execute(delete(setting).where(setting.c.account == "", setting.c.name == "policy"))
            row = {"account": "", "name": "policy", "value": name, "received_at": rfc3339(SystemClock().now())}
            connection.execute(insert(setting), row)
    return loaded
