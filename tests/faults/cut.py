"""Something that a test cuts off: python -m tests.faults.cut FOLDER POLICY WHAT NUMBER

Opens the folder, does WHAT, and kills itself before the NUMBERth commit to the key file; in the long run, before the
NUMBERth commit or writing back of a log, of the stores too. Prints done, and how many there were, where it gets to its
end.
"""

import os
import signal
import sys
from pathlib import Path

from cloud_stub import restoring
from cloud_stub.stores import backups
from tests.cloud_stub import test_sealing as deeds
from tests.cloud_stub.day import erase_all
from tests.cloud_stub.house import Neighbourhood, neighbourhood
from tests.soak import SOAK


def restore(cloud: Neighbourhood) -> None:
    """Bring back what the newest backup has."""
    restoring.restore(cloud.house, backups.listed(cloud.house.stores.folder)[-1].name)


def speak(cloud: Neighbourhood) -> None:
    """Say something that leaves records in many stores."""
    cloud.say("order a large pepperoni pizza from dominos", at=cloud.house.clock.now())


MOMENTS = ("COMMIT", "PRAGMA wal_checkpoint") if SOAK else ("COMMIT",)

WHAT = {
    "delete_one": deeds.delete_one,
    "erase_all": erase_all,
    "forget": deeds.forget,
    "opt_out": deeds.opt_out,
    "restore": restore,
    "speak": speak,
}


def main(folder: Path, policy: str, what: str, number: int) -> None:
    with neighbourhood(folder, policy, training_share=1.0) as cloud:
        seen = 0

        def count(statement: str) -> None:
            nonlocal seen
            if not statement.startswith(MOMENTS):
                return
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

        cloud.house.keys._files.connection.set_trace_callback(count)
        if SOAK:
            cloud.house.stores._files.connection.set_trace_callback(count)
        WHAT[what](cloud)
        print("done", seen, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
