"""What several rooms' tests need."""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import statements
from tests.processes import missing
from tests.soak import tenth

# A busy machine is no defect: nothing here fails for being slow, and every run draws the same.
settings.register_profile(
    "patient",
    max_examples=tenth(250),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("patient")

statements.share()

#: The files that take longest, from the longest on: none of them shall be the last one that runs.
LONGEST = (
    "tests/cloud_stub/test_retention_properties.py",
    "tests/faults/test_kill_cloud.py",
    "tests/real/test_postgres.py",
    "tests/cloud_stub/residue/test_search.py",
    "tests/cloud_stub/test_stores.py",
    "tests/browser/test_page_for_everybody.py",
    "tests/test_plugin.py",
    "tests/real/test_postgres_properties.py",
    "tests/real/test_postgres_parity.py",
    "tests/real/test_postgres_stores.py",
    "tests/cloud_stub/test_backups.py",
    "tests/test_facts.py",
    "tests/faults/test_cut_off.py",
    "tests/browser/test_rooms.py",
    "tests/faults/test_crash_copy.py",
    "tests/test_residue.py",
    "tests/faults/test_fleet.py",
    "tests/real/test_device_residue.py",
    "tests/real/test_fsync.py",
    "tests/device/test_hearing.py",
    "tests/test_demo.py",
    "tests/faults/test_cloud_in_trouble.py",
    "tests/test_walnut.py",
    "tests/cloud_stub/answers/test_claims.py",
    "tests/cloud_stub/test_sealing.py",
    "tests/real/test_capture.py",
    "tests/device/test_listening.py",
)

# What it asserts is part of a test.
pytest.register_assert_rewrite("tests.cloud_stub.street")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder with people's recordings: train/, dev/, transcripts.tsv. They are not part of this repository."""
    folder = os.environ.get("RESIDUAL_ECHO_RECORDINGS")
    if not folder:
        missing("the folder of people's recordings", "set RESIDUAL_ECHO_RECORDINGS to it")
    return Path(str(folder))


def pytest_xdist_auto_num_workers() -> int:
    """As many as there are processors, and some more: a good part of the tests wait, for disks and for each other."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_finish() -> None:
    """What was collected stays to the end: nobody need look through it for garbage, again and again."""
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest first, the others as they come."""
    order = {config.rootpath / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))
