"""What several rooms' tests need."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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

# What it asserts is part of a test.
pytest.register_assert_rewrite("tests.cloud_stub.street")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder with people's recordings: train/, dev/, transcripts.tsv. They are not part of this repository."""
    folder = os.environ.get("RESIDUAL_ECHO_RECORDINGS")
    if not folder:
        missing("the folder of people's recordings", "set RESIDUAL_ECHO_RECORDINGS to it")
    return Path(str(folder))
