"""What the forecast says will be left is what is left when it comes to it."""

from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from cloud_stub.accounts import DEFAULT
from cloud_stub.answers.rehearsal import Rehearsal, rehearsal
from cloud_stub.contract.trace import interactions, load, locate
from cloud_stub.residue.forecast import Moment, forecast
from cloud_stub.retention import policy
from cloud_stub.retention.rules import Period
from tests.cloud_stub.policies import policy_text

LATER = [Period("P10D"), Period("P3M"), Period("P18M"), Period("P24M")]


def foretold(house: Rehearsal, *, deleted: bool) -> list[Moment]:
    its = house.house
    with its.stores.read() as connection:
        return forecast(connection, its.keys, its.policy, DEFAULT, its.clock.now(), its.data, LATER, deleted=deleted)


def counted(house: Rehearsal) -> dict[tuple[str, str], int]:
    """The operator's records; what third parties do is theirs."""
    return Counter((row.store, row.kind) for row in house.left(DEFAULT) if "third_parties" not in row.store)


def operators(moment: Moment) -> dict[tuple[str, str], int]:
    return {place: count for place, count in moment.counts().items() if "third_parties" not in place[0]}


#: The two ends are tested each time.
OFTEN = {"amazon-2019", "erase-everything"}


def said(house: Rehearsal) -> datetime:
    """A day of the household's week."""
    trace = load(locate("week"))
    house.play([sent for sent in trace if sent.at < interactions(trace)[12].at])
    return house.house.clock.now()


@pytest.mark.parametrize(
    ("name", "deleted"),
    [
        *(pytest.param(name, True, marks=[] if name in OFTEN else pytest.mark.soak) for name in policy.names()),
        ("auto-delete-3-months", False),
        pytest.param("amazon-2019", False, marks=pytest.mark.soak),
    ],
)
def test_what_is_foretold_comes_true_under_every_policy_that_ships(tmp_path: Path, name: str, deleted: bool) -> None:
    start = interactions(load(locate("week")))[0].at
    with rehearsal(name, start, data=tmp_path / "data", training_share=0.5) as house:
        now = said(house)
        now_left, *moments = foretold(house, deleted=deleted)
        assert operators(now_left) == counted(house)
        if deleted:
            house.delete(DEFAULT)
            assert operators(moments.pop(0)) == counted(house)
        for moment, period in zip(moments, LATER, strict=True):
            house.advance_to(period.since(now))
            assert operators(moment) == counted(house), moment.name
            words = {str(row.fields) for row in house.left(DEFAULT) if "third_parties" not in row.store}
            assert words == {str(row.fields) for row in moment.left if "third_parties" not in row.store}


def test_a_forecast_changes_nothing(tmp_path: Path) -> None:
    with rehearsal("erase-everything", interactions(load(locate("week")))[0].at, data=tmp_path / "data") as house:
        said(house)
        before = house.left(DEFAULT)
        foretold(house, deleted=True)
        assert house.left(DEFAULT) == before


def test_what_is_pseudonymised_redacted_or_erased_later_is_foretold_too(tmp_path: Path) -> None:
    cases = {
        ("training", "transcript", "user_delete"): {"action": "pseudonymise", "after": "P30D"},
        ("training", "recording", "user_delete"): {"action": "pseudonymise"},
        ("primary", "transcript", "user_delete"): {"action": "redact", "fields": ["text", "words"], "after": "P2M"},
        ("primary", "response", "age"): {"action": "erase", "after": "P1Y"},
        ("actions", "alarm", "user_delete"): {"action": "erase", "after": "P3M"},
    }
    (file := tmp_path / "policy.toml").write_text(policy_text(cases))
    start = interactions(load(locate("week")))[0].at
    with rehearsal(str(file), start, data=tmp_path / "data", training_share=1.0) as house:
        now = said(house)
        _, *moments = foretold(house, deleted=True)
        house.delete(DEFAULT)
        assert operators(moments.pop(0)) == counted(house)
        for moment, period in zip(moments, LATER, strict=True):
            house.advance_to(period.since(now))
            assert operators(moment) == counted(house), moment.name
        assert counted(house)["training", "transcript"] > 0
