"""Random policies, random days (tests/cloud_stub/test_retention_properties.py), with the stores in PostgreSQL."""

from pathlib import Path

import pytest

from cloud_stub import house
from tests.cloud_stub.test_retention_properties import live
from tests.real.postgres import Server
from tests.soak import SOAK

EXAMPLES = 30 if SOAK else 3


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_what_a_rule_erases_goes_when_it_is_due_and_what_it_keeps_stays(
    postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    # Most random policies promise more than PostgreSQL's log can keep. Here it is the rows that must follow them.
    monkeypatch.setattr(house, "storage_problems", lambda *_, **__: ())
    live(tmp_path, seed, postgres.database())
