"""Counts of one data folder as Prometheus reads them: what was heard, what is stored, what the sweeper has ahead.

Everything is counted in the stores at each call, so it is true after a restart, and whichever process asks. That reads
every row that a rule waits for: ask once a minute, not once a second.
"""

from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from sqlalchemy import Connection, func, select

from cloud_stub import quarantine, status
from cloud_stub.retention.jobs import of_policy
from cloud_stub.retention.policy import Policy
from cloud_stub.stores.tables import ledger, seen

#: What the text is, for the header of an answer.
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def metrics(connection: Connection, policy: Policy, now: datetime) -> bytes:
    """The counts in Prometheus's text format, each named residual_echo_... and explained in its HELP line."""
    heard = select(func.count()).select_from(seen).where(seen.c.part == "interaction")
    erased = select(func.coalesce(func.sum(ledger.c.records), 0)).where(ledger.c.action.like("erase%"))
    full = select(func.coalesce(func.sum(ledger.c.records), 0)).where(ledger.c.trigger == quarantine.TRIGGER)
    overflowed = connection.execute(full).scalar_one()
    stored = status.status(connection)
    due, overdue, lag = _ahead(connection, policy, now)
    registry = CollectorRegistry()
    for name, value, text in (
        (
            "heard",
            connection.execute(heard).scalar_one(),
            "Interactions answered, and not deleted since.",
        ),
        ("stored", stored["interactions"], "Interactions stored now."),
        ("quarantined", stored["quarantined"], "Messages in quarantine now."),
        ("quarantine_bytes", quarantine.held(connection), "Bytes in quarantine now; --quarantine-bytes limits them."),
        ("quarantine_overflowed", overflowed, "Messages that left quarantine because it was full, by the ledger."),
        ("erased", connection.execute(erased).scalar_one(), "Records erased, by the ledger."),
        ("due", due, "Records that a rule waits for: it will do something about them, now or later."),
        ("overdue", overdue, "Records of these whose time has come."),
        ("lag_seconds", lag, "How long ago the time came of the record that waits longest."),
    ):
        Gauge(name, text, namespace="residual_echo", registry=registry).set(value)
    return generate_latest(registry)


def _ahead(connection: Connection, policy: Policy, now: datetime) -> tuple[int, int, float]:
    """(rows that rules wait for, those that are due, seconds since the oldest of them was)."""
    due = overdue = 0
    lag = 0.0
    for job in of_policy(policy):
        before = job.before(now)
        waiting, ripe, oldest = connection.execute(job.standing(before)).one()
        due += waiting
        overdue += ripe
        if ripe:
            lag = max(lag, (datetime.fromisoformat(before) - datetime.fromisoformat(oldest)).total_seconds())
    return due, overdue, lag
