"""A cloud whose machine's clock is wrong by some days: python -m tests.faults.clock FOLDER DAYS

Says something, and sweeps what is due by that clock.
"""

import sys
from datetime import datetime, timedelta
from pathlib import Path

from cloud_stub.retention.clock import SystemClock
from cloud_stub.retention.sweeper import Sweeper
from tests.cloud_stub.house import neighbourhood


def main(folder: Path, days: int) -> None:
    right = SystemClock.now
    SystemClock.now = lambda clock: right(clock) + timedelta(days=days)  # type: ignore[method-assign]
    with neighbourhood(folder) as cloud:
        now: datetime = cloud.house.clock.now()
        cloud.say("what time is it", at=now)
        Sweeper(cloud.house.stores, cloud.house.keys, cloud.house.engine, cloud.house.clock).sweep()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
