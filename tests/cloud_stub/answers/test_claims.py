"""Each claim has a verdict that follows from what the house does: break the house, and the verdict turns."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete

from cloud_stub.answers.claims import CLAIMS
from cloud_stub.batch import Batch, Origin
from cloud_stub.ingest import Ingest
from cloud_stub.retention import acts, household
from cloud_stub.retention.policy import Policy
from cloud_stub.retention.rules import Period
from cloud_stub.retention.scopes import Scope
from cloud_stub.third_parties.partner import Skill
from tests.cloud_stub.house import flac
from tests.processes import cloud_stub

Patch = pytest.MonkeyPatch


def verdict(number: str, policy: str) -> str:
    (claim,) = [claim for claim in CLAIMS if claim.number == number]
    return claim.test(policy)[0]


def expires(patch: Patch) -> None:
    of = household.of

    def hasty(*arguments: Any) -> household.Household:
        own = of(*arguments)
        return household.Household("P3M", own.save_recordings, own.use_for_improvement, own.delete_by_voice)

    patch.setattr(household, "of", hasty)
    patch.setattr(household, "auto_deletes", lambda *_: [("household", "P3M")])


def deletes_nothing(patch: Patch) -> None:
    patch.setattr(acts, "carry_out", lambda *_: None)


def deletes_everything(patch: Patch) -> None:
    def thorough(connection: Any, _keys: Any, _policy: Any, table: Any, _trigger: Any, where: Any, _now: Any) -> None:
        connection.execute(delete(table).where(where))

    patch.setattr(acts, "carry_out", thorough)


def stores_the_answers_sound(patch: Patch) -> None:
    record = Batch.record

    def talkative(batch: Batch, store: str, kind: str, origin: Origin, **fields: Any) -> None:
        record(batch, store, kind, origin, **fields)
        if kind == "response":
            record(batch, "primary", "recording", origin, position=1, flac=flac())

    patch.setattr(Batch, "record", talkative)


def skills_keep_nothing(patch: Patch) -> None:
    perform = Skill._perform

    def forgetful(skill: Skill, request: Any) -> Any:
        reply = perform(skill, request)
        with skill._files.writing() as database:
            database.execute("DELETE FROM held")
        return reply

    patch.setattr(Skill, "_perform", forgetful)


def samples_nothing(patch: Patch) -> None:
    patch.setattr(Ingest, "_sampled", lambda *_: False)


def takes_all_for_one(patch: Patch) -> None:
    patch.setattr(Scope, "within", lambda scope, table: table.c.account == scope.account)


def anonymises(patch: Patch) -> None:
    columns = Origin.columns

    def nameless(origin: Origin, position: int = 0) -> dict[str, Any]:
        return columns(origin, position) | {"account": "somebody"}

    patch.setattr(Origin, "columns", nameless)


def ends_silent_profiles(patch: Patch) -> None:
    deletes_everything(patch)
    patch.setattr(Policy, "inactive_after", lambda _policy: Period("P90D"))


BROKEN: dict[str, tuple[str, str, Callable[[Patch], None]]] = {
    "L1": ("amazon-2019", "fails", expires),
    "L2": ("amazon-2019", "fails", deletes_nothing),
    "L3": ("amazon-2019", "fails", deletes_nothing),
    "L4": ("amazon-2019", "fails", stores_the_answers_sound),
    "L5": ("amazon-2019", "fails", deletes_everything),
    "L6": ("amazon-2019", "fails", skills_keep_nothing),
    "L7": ("amazon-2019", "fails", deletes_everything),
    "L8": ("amazon-2019", "fails", deletes_everything),
    "L9": ("amazon-2019", "fails", samples_nothing),
    "L10": ("amazon-2019", "fails", takes_all_for_one),
    "L11": ("amazon-2019", "fails", anonymises),
    "L12": ("amazon-2019", "cannot be known from outside", deletes_everything),
    "F1": ("amazon-2019", "fails", deletes_everything),
    "F2": ("amazon-2019", "fails", ends_silent_profiles),
    "F3": ("erase-everything", "fails", deletes_nothing),
}


@pytest.mark.parametrize("number", [claim.number for claim in CLAIMS])
def test_breaking_the_house_turns_the_verdict(monkeypatch: Patch, number: str) -> None:
    # That each holds in the house as it is, the two tests below say.
    policy, otherwise, breakage = BROKEN[number]
    breakage(monkeypatch)
    assert verdict(number, policy) == otherwise


def test_every_fact_has_a_claim_and_the_program_prints_it() -> None:
    done = cloud_stub("claims", "--policy", "amazon-2019", "--json")
    found = json.loads(done.stdout)
    assert [one["claim"] for one in found] == [*(f"L{number}" for number in range(1, 13)), "F1", "F2", "F3"]
    assert {one["claim"]: one["verdict"] for one in found if one["verdict"] != "holds"} == {"F3": "fails"}
    assert all(set(one) == {"claim", "says", "verdict", "evidence"} and one["evidence"] for one in found)


def test_under_erase_everything_no_alarm_outlives_its_recording_and_the_order_is_kept() -> None:
    assert verdict("L8", "erase-everything") == "fails"
    assert verdict("F3", "erase-everything") == "holds"
