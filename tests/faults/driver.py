"""A cloud at work that a test kills: python -m tests.faults.driver FOLDER SEED POLICY

Says things, deletes some, lets time pass; prints a line of JSON once an answer is committed, that is, once a device
could have got it. Goes on until it is killed.
"""

import json
import random
import sys
from datetime import timedelta
from pathlib import Path

from cloud_stub.contract.messages import new_id, rfc3339
from cloud_stub.house import open_house
from cloud_stub.ingest import Ingest
from cloud_stub.retention.clock import keep_time
from cloud_stub.retention.scopes import Scope
from cloud_stub.retention.sweeper import Sweeper
from tests.cloud_stub.house import UTC_ZONE, Neighbourhood, assistant


def marked(name: str) -> str:
    """A request whose words tell which interaction it is, wherever a byte of them is found."""
    return f"remember that my locker code is {name}"


def main(folder: Path, seed: int, policy: str) -> None:
    chance = random.Random(seed)
    with open_house(folder, policy, create=True, simulated=True) as house:
        ingest = Ingest(house.stores, house.keys, house.engine, assistant(), house.clock, UTC_ZONE, training_share=0.5)
        cloud = Neighbourhood(house, ingest, folder)
        sweeper = Sweeper(house.stores, house.keys, house.engine, house.clock, chunk=3)
        live: list[str] = []
        say({"ready": True})
        while True:
            batch = {}
            for _ in range(chance.randint(1, 5)):
                words = f"zebra{chance.getrandbits(64):016x}"
                batch[cloud.say(marked(words), at=house.clock.now(), send=False)] = words
            cloud.again(*batch)
            for name, words in batch.items():
                say({"stored": name, "words": words, "message": cloud.said[name].payload.decode()})
                cloud.record(name)
            live += batch
            if chance.random() < 0.5:
                gone = live.pop(chance.randrange(len(live)))
                say({"deleting": gone, "at": rfc3339(house.clock.now())})
                scope = Scope(new_id(), "household", rfc3339(house.clock.now()), interaction=gone)
                house.engine.erase([scope])
                say({"deleted": gone})
            if chance.random() < 0.4:
                house.clock.forward(house.clock.now() + timedelta(days=chance.randint(1, 20)))
                with house.stores.write() as connection:
                    keep_time(connection, house.clock.now())
                sweeper.sweep()


def say(line: dict[str, object]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
