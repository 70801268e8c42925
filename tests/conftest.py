"""What several rooms' tests need."""

import os
from pathlib import Path

import pytest

from tests.processes import missing

# What it asserts is part of a test.
pytest.register_assert_rewrite("tests.cloud_stub.street")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder with people's recordings: train/, dev/, transcripts.tsv. They are not part of this repository."""
    folder = os.environ.get("RESIDUAL_ECHO_RECORDINGS")
    if not folder:
        missing("the folder of people's recordings", "set RESIDUAL_ECHO_RECORDINGS to it")
    return Path(str(folder))
