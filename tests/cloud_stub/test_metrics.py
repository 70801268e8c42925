"""What Prometheus reads is what the stores hold: heard, stored, quarantined, erased, due, overdue, lag."""

from datetime import timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import new_id, rfc3339
from cloud_stub.metrics import metrics
from cloud_stub.retention.scopes import Scope
from cloud_stub.retention.sweeper import Sweeper
from tests.cloud_stub.house import Neighbourhood, neighbourhood


def read(cloud: Neighbourhood) -> dict[str, float]:
    with cloud.house.stores.read() as connection:
        text = metrics(connection, cloud.house.policy, cloud.house.clock.now()).decode()
    families = text_string_to_metric_families(text)
    return {family.name.removeprefix("residual_echo_"): family.samples[0].value for family in families}


def test_the_counts_follow_what_is_said_refused_deleted_and_swept(tmp_path: Path) -> None:
    with neighbourhood(tmp_path, "ftc-2023", simulated=True) as cloud:
        names = {"heard", "stored", "quarantined", "quarantine_bytes", "quarantine_overflowed", "erased"}
        assert set(read(cloud)) == names | {"due", "overdue", "lag_seconds"}
        assert set(read(cloud).values()) == {0.0}
        names = [cloud.say(text, at=cloud.house.clock.now()) for text in ("what time is it", "good morning")]
        cloud.ingest.handle([Incoming("echo/v1/kitchen/event/interaction", b"{")])
        said = read(cloud)
        assert (said["heard"], said["stored"], said["quarantined"], said["erased"]) == (2, 2, 1, 0)
        assert said["due"] > 0
        assert (said["overdue"], said["lag_seconds"]) == (0, 0)
        scope = Scope(new_id(), "household", rfc3339(cloud.house.clock.now()), interaction=names[0])
        cloud.house.engine.erase([scope])
        deleted = read(cloud)
        assert (deleted["heard"], deleted["stored"]) == (1, 1)
        assert deleted["erased"] > 0
        cloud.house.clock.forward(cloud.house.clock.now() + timedelta(days=4000))
        late = read(cloud)
        assert 0 < late["overdue"] <= late["due"]
        assert late["lag_seconds"] > 86_400
        Sweeper(cloud.house.stores, cloud.house.keys, cloud.house.engine, cloud.house.clock).sweep()
        swept = read(cloud)
        assert (swept["overdue"], swept["lag_seconds"]) == (0, 0)
        assert swept["erased"] > deleted["erased"]
