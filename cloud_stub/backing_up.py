"""Making backups: when told to, and when the policy's schedule says so."""

import logging
from datetime import datetime, timedelta

from cloud_stub.errors import CloudError
from cloud_stub.house import House
from cloud_stub.retention.storage import storage_problems
from cloud_stub.stores import backups
from cloud_stub.stores.backups import Backup
from cloud_stub.stores.repository import NOT_OURS

log = logging.getLogger(__name__)

#: How often to look whether a backup is due, or one is too old.
LOOK = timedelta(minutes=1)


def back_up(house: House) -> Backup:
    """Make a backup. Raises CloudError where the policy could not keep its promises then, or the disk is full."""
    if not house.stores.files:
        raise CloudError(NOT_OURS)
    for problem in storage_problems(house.policy, postgres=False, backups=True):
        raise CloudError(problem)
    policy, now = house.policy, house.clock.now()
    return backups.make(house.stores, policy.name, house.keys.identity(), now, sealed=policy.sealed)


class Schedule:
    """The policy's [backups], while `serve` runs."""

    def __init__(self, house: House) -> None:
        """Looks for the first time at once."""
        self._house = house
        self._next_look = house.clock.now()

    def step(self) -> None:
        """Remove backups that are too old, and make one if it is due. What fails is tried again later."""
        wanted, now = self._house.policy.backups, self._house.clock.now()
        if wanted is None or now < self._next_look:
            return
        self._next_look = now + LOOK
        folder = self._house.stores.folder
        try:
            if backups.expire(folder, wanted.keep.before(now)):
                backups.destroy_orphans(self._house.stores, self._house.keys.seal.keys)
            there = backups.listed(folder)
            if not there or wanted.every.since(datetime.fromisoformat(there[-1].time)) <= now:
                back_up(self._house)
        except (CloudError, OSError) as error:
            log.warning("%s", error)
