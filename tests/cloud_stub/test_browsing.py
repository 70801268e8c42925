"""The voice history by pages shows what the whole history shows, nothing twice, and nothing of others."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from cloud_stub import accounts, browsing
from cloud_stub.browsing import Filter
from cloud_stub.stores.tables import RECORDS
from tests.cloud_stub.house import Neighbourhood, flac, neighbourhood, sealed

START = datetime(2026, 6, 1, 12, tzinfo=UTC)


def filled(cloud: Neighbourhood) -> list[str]:
    """Six days of requests by two devices, some without a recording; of one only the recording is left."""
    ids = []
    for number in range(30):
        at = START + timedelta(hours=5 * number)
        text = f"remember that the number is {number}" if number % 7 else "what time is it"
        ids.append(cloud.say(text, at=at, device=("kitchen", "bedroom")[number % 2], sound=number % 3 == 0))
    with cloud.house.stores.write() as connection:
        for kind in ("transcript", "response"):
            table = RECORDS["primary", kind]
            connection.execute(delete(table).where(table.c.interaction == ids[15]))
    return ids


def walked(cloud: Neighbourhood, wanted: Filter, size: int, account: str = "household") -> list[str]:
    """The ids of all pages, one after the other."""
    found: list[str] = []
    before: str | None = None
    with cloud.house.stores.read() as connection:
        while True:
            page = browsing.page(connection, cloud.house.keys.seal, account, wanted, before=before, size=size)
            found += [row["id"] for row in page.rows]
            assert len(page.rows) <= size
            before = page.more
            if before is None:
                return found


@pytest.mark.parametrize("closed", [False, True], ids=["open", "sealed"])
def test_pages_together_are_the_history_backwards(tmp_path: Path, closed: bool) -> None:
    policy = sealed(tmp_path) if closed else "amazon-2019"
    with neighbourhood(tmp_path / "data", policy) as cloud:
        ids = filled(cloud)
        everything = cloud.history()
        assert [row["id"] for row in everything] == ids
        for size in (1, 7, 29, 30, 31):
            assert walked(cloud, Filter(), size) == ids[::-1], size
        with cloud.house.stores.read() as connection:
            page = browsing.page(connection, cloud.house.keys.seal, "household", Filter(), size=30)
            assert page.rows == everything[::-1]
            assert browsing.devices(connection, "household") == ["bedroom", "kitchen"]


@pytest.mark.parametrize("closed", [False, True], ids=["open", "sealed"])
def test_filters_narrow_to_what_they_say(tmp_path: Path, closed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = sealed(tmp_path) if closed else "amazon-2019"
    monkeypatch.setattr(browsing, "_LOOK_THROUGH", 30)
    with neighbourhood(tmp_path / "data", policy) as cloud:
        ids = filled(cloud)
        rows = cloud.history()
        assert walked(cloud, Filter(device="bedroom"), 7) == ids[1::2][::-1]
        asking = [row["id"] for row in rows if row["transcript"] == "what time is it"]
        assert len(asking) == 5
        assert walked(cloud, Filter(words="TIME is"), 2) == asking[::-1]
        assert walked(cloud, Filter(words="the number is 29"), 5) == [ids[29]]
        assert walked(cloud, Filter(words="nobody said that"), 5) == []
        day = Filter(since=START, until=START + timedelta(days=1))
        assert walked(cloud, day, 2) == ids[:5][::-1]


def test_nothing_of_another_account_is_in_it(tmp_path: Path) -> None:
    with neighbourhood(tmp_path / "data") as cloud:
        with cloud.house.stores.write() as connection:
            accounts.register(connection, cloud.house.clock, "kitchen", "household", child=False)
            accounts.register(connection, cloud.house.clock, "bedroom", "alice", child=False)
        mine, hers = cloud.say("what time is it"), cloud.say("what time is it", device="bedroom")
        assert walked(cloud, Filter(), 10) == [mine]
        assert walked(cloud, Filter(), 10, "alice") == [hers]
        seal = cloud.house.keys.seal
        with cloud.house.stores.read() as connection:
            assert browsing.one(connection, seal, "household", hers) is None
            assert browsing.sound(connection, seal, "household", hers) is None
            assert browsing.sound(connection, seal, "alice", hers) == flac()
            assert browsing.one(connection, seal, "alice", hers) is not None
