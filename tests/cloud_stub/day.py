"""A day of a household, the same for every cloud it is told to, and all that can be asked of a cloud afterwards."""

import atexit
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import Interaction, encode, new_id, recording_topic, rfc3339
from cloud_stub.contract.partners import PartnerReply, partner_topic
from cloud_stub.due import due
from cloud_stub.retention.clock import keep_time
from cloud_stub.retention.scopes import Scope
from cloud_stub.retention.sweeper import Sweeper
from cloud_stub.status import status
from cloud_stub.stores.repository import Stores
from cloud_stub.stores.tables import CONTENT, directive
from tests.cloud_stub.house import UTC_ZONE, Neighbourhood, flac, neighbourhood, sealed

START = datetime(2026, 3, 2, 8, tzinfo=UTC)

SAID = (
    "set a recurring alarm for seven a m",
    "remind me of my anniversary on june fourteenth",
    "place a meeting with alice on my calendar for friday at ten",
    "send a message to bob saying i am running late",
    "subscribe to amazon music unlimited",
    "order milk and eggs from amazon fresh",
    "request a ride from uber to the airport",
    "order a large pepperoni pizza from dominos",
    "buy the extra questions in the quiz",
    "set a timer for ten minutes",
    "add bread to my shopping list",
    "remember that i am allergic to walnuts",
    "remember that my locker is number forty two",
    "what am i allergic to",
)
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@cache
def messages() -> tuple[tuple[str, Incoming, Incoming], ...]:
    """(interaction, its message, its recording's), a minute apart."""
    found = []
    for number, text in enumerate(SAID):
        at = START + timedelta(minutes=number)
        name = new_id(at)
        said = Interaction(id=name, device="kitchen", at=at, source="text", wake_word="alexa", transcript=text)
        sound = Incoming(recording_topic("kitchen", name), flac(seed=number))
        found.append((name, Incoming(said.topic(), encode(said)), sound))
    return tuple(found)


@contextmanager
def evening(data: Path, policy: str, *, shut: bool = True) -> Iterator[Neighbourhood]:
    """The cloud when the day has been; `shut`: under that policy, sealed. Half of it is used for training."""
    shutil.copytree(_lived(policy, shut), data)
    with neighbourhood(data, sealed(data.parent, policy) if shut else policy, training_share=0.5) as cloud:
        yield cloud


@cache
def _lived(policy: str, shut: bool) -> Path:
    """A folder in which the day has been, on a simulated clock that began at START."""
    folder = Path(tempfile.mkdtemp(prefix="residual-echo-day-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    stores = Stores(folder / "data")
    with stores.write() as connection:
        keep_time(connection, START)
    stores.close()
    chosen = sealed(folder, policy) if shut else policy
    with neighbourhood(folder / "data", chosen, training_share=0.5) as cloud:
        live(cloud)
    return folder / "data"


def live(cloud: Neighbourhood) -> None:
    """Say everything, have one third party answer, and send something that cannot be taken."""
    forward(cloud, minutes=len(SAID))
    # In two batches, in which some recordings come before what was said.
    said, sounds = [said for _, said, _ in messages()], [sound for _, _, sound in messages()]
    cloud.ingest.handle([*said[:7], *sounds[:9]])
    cloud.ingest.handle([*said[7:], *sounds[9:]])
    with cloud.house.stores.read() as connection:
        asked = select(directive.c.id).where(directive.c.recipient == "partner/pizza")
        request = connection.execute(asked).scalar_one()
    reply = PartnerReply(request=request, partner="pizza", outcome="done", reference="counter seventeen")
    cloud.ingest.handle([Incoming(partner_topic("pizza", "reply"), encode(reply))])
    cloud.ingest.handle([Incoming("echo/v1/kitchen/event/interaction", b'{"transcript": "torn in two')])


def forward(cloud: Neighbourhood, **period: float) -> None:
    """Let time pass, and do what falls due."""
    house = cloud.house
    house.clock.forward(house.clock.now() + timedelta(**period))
    with house.stores.write() as connection:
        keep_time(connection, house.clock.now())
    Sweeper(house.stores, house.keys, house.engine, house.clock).sweep()


def erase_all(cloud: Neighbourhood) -> None:
    """Delete all that was said so far."""
    now = rfc3339(cloud.house.clock.now())
    cloud.house.engine.erase([Scope(new_id(), "household", now, until=now)])


def shown(cloud: Neighbourhood) -> dict[str, Any]:
    """What every interface answers, by its name; ids that the cloud makes itself are left out."""
    house = cloud.house
    with house.stores.read() as connection:
        rows = {
            f"{table.schema}/{table.name}": [
                {name: value for name, value in row.items() if name not in {"seal", "id"}}
                for row in house.keys.seal.opened(table, connection.execute(select(table)).mappings())
            ]
            for table in CONTENT
            if table.schema != "witness"
        }
        ahead = due(connection, house.keys.seal, "household", house.clock.now(), UTC_ZONE)
        counts = status(connection)
    answers = {
        "history": cloud.history(),
        "left": [(row.store, row.kind, row.interaction, row.fields, row.rule, row.clause) for row in cloud.left()],
        "due": ahead,
        "directives": [(one.name, encode(one).decode()) for one in cloud.directives()],
        "status": counts,
        **rows,
    }
    known = {interaction for interaction, _, _ in messages()}
    text = ID.sub(lambda found: found[0] if found[0] in known else "an id", json.dumps(answers, default=repr))
    # How often the simulated clock was looked at: a microsecond each time.
    text = re.sub(r"\.\d{6}Z", "Z", text)
    return {name: _sorted(value) for name, value in json.loads(text.replace("-sealed", "")).items()}


def _sorted(value: Any) -> Any:
    return sorted(value, key=json.dumps) if isinstance(value, list) else value
