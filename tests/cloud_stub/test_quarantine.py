"""Quarantine has a limit of size beside the policy's of age: the oldest goes first, and nothing else is touched."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from cloud_stub import quarantine
from cloud_stub.batch import Incoming
from cloud_stub.errors import CloudError
from cloud_stub.metrics import metrics
from cloud_stub.retention import ledger as chain
from cloud_stub.retention.sweeper import Sweeper
from cloud_stub.stores import tables
from tests.cloud_stub.house import Neighbourhood, neighbourhood, sealed
from tests.soak import tenth

LIMIT = 6000
TOPIC = "echo/v1/kitchen/event/confirm"
SEALED = pytest.mark.parametrize("cloud", [False, True], ids=["readable", "sealed"], indirect=True)

#: None is a good message; the others are bad, of so many bytes, for different reasons and on different topics.
MESSAGES = st.none() | st.tuples(
    st.sampled_from([TOPIC, f"echo/v1/kitchen/event/{'ü' * 100}", "partner/v1/pizza/reply", "echo/v2/x/event/confirm"]),
    st.sampled_from([0, 1, 300, 2500, quarantine.PAYLOAD_BYTES, 50_000]),
)


@pytest.fixture
def cloud(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Neighbourhood]:
    shut = getattr(request, "param", False)
    with neighbourhood(
        tmp_path / "data", sealed(tmp_path) if shut else "amazon-2019", quarantine_bytes=LIMIT, simulated=True
    ) as it:
        yield it


def kept(cloud: Neighbourhood) -> list[bytes]:
    """The payloads in quarantine, oldest first."""
    table = tables.quarantine
    with cloud.house.stores.read() as connection:
        rows = connection.execute(select(table).order_by(table.c.received_at, table.c.id)).mappings()
        return [row["payload"] for row in cloud.house.keys.seal.opened(table, rows)]


def held(cloud: Neighbourhood) -> int:
    """Bytes in quarantine, as they are stored; which is what metrics say."""
    columns = [tables.quarantine.c[name] for name in ("topic", "payload", "reason")]
    with cloud.house.stores.read() as connection:
        values = [value for row in connection.execute(select(*columns)) for value in row]
        total = sum(len(value if isinstance(value, bytes) else value.encode()) for value in values)
        assert quarantine.held(connection) == total
    return total


def overflowed(cloud: Neighbourhood) -> int:
    """How many messages the ledger says have gone because quarantine was full."""
    table = tables.ledger
    full = select(func.coalesce(func.sum(table.c.records), 0)).where(table.c.trigger == "size")
    with cloud.house.stores.read() as connection:
        assert list(chain.verify(connection)) == []
        return connection.execute(full).scalar_one()


def reject(cloud: Neighbourhood, *payloads: bytes) -> None:
    """Deliver bad messages, in one batch."""
    cloud.ingest.handle([Incoming(TOPIC, payload) for payload in payloads])


@SEALED
@settings(max_examples=tenth(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(MESSAGES, min_size=1, max_size=6), max_size=4))
def test_whatever_arrives_the_newest_that_fit_are_kept_and_what_is_good_is_stored(
    cloud: Neighbourhood, batches: list[list[tuple[str, int] | None]]
) -> None:
    for batch in batches:
        before, gone, said = kept(cloud), overflowed(cloud), len(cloud.history())
        bad = [
            (topic, f"{number:03}".encode() * (size // 3 + 1))
            for number, (topic, size) in enumerate(filter(None, batch))
        ]
        good = [cloud.say("good morning", send=False) for one in batch if one is None]
        cloud.ingest.handle([*(Incoming(*one) for one in bad), *(cloud.said[name] for name in good)])
        all_bad = [*before, *(payload[: quarantine.PAYLOAD_BYTES] for _, payload in bad)]
        left = kept(cloud)
        assert held(cloud) <= LIMIT
        assert left == all_bad[len(all_bad) - len(left) :], "the newest, in the order in which they came"
        assert left or not all_bad, "one always fits"
        assert overflowed(cloud) - gone == len(all_bad) - len(left)
        assert len(cloud.history()) - said == len(good)
        for name in good:
            assert cloud.answers(name) == [("stored", "interaction")]


def test_no_more_is_erased_than_the_newest_needs(cloud: Neighbourhood) -> None:
    reject(cloud, b"@" * 1000)
    one = held(cloud)
    fit = LIMIT // one
    for number in range(fit - 1):
        reject(cloud, bytes([65 + number]) * 1000)
    assert (held(cloud), overflowed(cloud)) == (fit * one, 0)
    reject(cloud, b"z" * 1000)
    assert (held(cloud), overflowed(cloud)) == (fit * one, 1)
    assert kept(cloud)[0] == b"A" * 1000


def test_what_had_to_go_is_in_no_file_and_its_key_is_gone(tmp_path: Path) -> None:
    words = "zanzibar quokka teapot"
    with neighbourhood(tmp_path / "data", quarantine_bytes=LIMIT) as cloud:
        reject(cloud, words.encode() * 100)
        assert any(words.encode() in content for content in cloud.files().values())
        reject(cloud, b"?" * 4000, b"!" * 4000)
        cloud.house.stores.checkpoint()
        assert not any(words.encode() in content for content in cloud.files().values())
    with neighbourhood(tmp_path / "sealed", sealed(tmp_path), quarantine_bytes=LIMIT) as cloud:
        keys = cloud.house.keys.seal.keys
        reject(cloud, words.encode() * 100)
        with cloud.house.stores.read() as connection:
            (seal,) = connection.execute(select(tables.quarantine.c.seal)).scalars()
        assert seal in keys.ring([seal])
        reject(cloud, b"?" * 4000, b"!" * 4000)
        assert seal not in keys.ring([seal])


def test_the_policys_limit_of_age_holds_too(cloud: Neighbourhood) -> None:
    reject(cloud, b"old")
    rule = cloud.house.policy.rule("operations", "quarantine", "age")
    assert (rule.action, rule.after is not None) == ("erase", True)
    cloud.house.clock.forward(rule.after.since(cloud.house.clock.now()) + timedelta(seconds=1))
    reject(cloud, b"new")
    Sweeper(cloud.house.stores, cloud.house.keys, cloud.house.engine, cloud.house.clock).sweep()
    assert kept(cloud) == [b"new"]
    assert overflowed(cloud) == 0


def test_metrics_say_how_full_it_is_and_how_much_had_to_go(cloud: Neighbourhood) -> None:
    for _ in range(5):
        reject(cloud, b"x" * 2000)
    with cloud.house.stores.read() as connection:
        text = metrics(connection, cloud.house.policy, cloud.house.clock.now()).decode()
    assert f"residual_echo_quarantine_bytes {float(held(cloud))}" in text
    assert f"residual_echo_quarantine_overflowed {float(overflowed(cloud))}" in text
    assert f"residual_echo_quarantined {float(len(kept(cloud)))}" in text
    assert len(kept(cloud)) + overflowed(cloud) == 5
    assert overflowed(cloud) > 0


def test_a_limit_in_which_not_every_message_has_room_is_refused_with_the_remedy() -> None:
    assert quarantine.checked(quarantine.LEAST_BYTES) == quarantine.LEAST_BYTES
    assert quarantine.checked(None) == quarantine.LIMIT_BYTES
    with pytest.raises(CloudError, match=r"--quarantine-bytes 63999 is too little\. Give 64000 at least"):
        quarantine.checked(quarantine.LEAST_BYTES - 1)
