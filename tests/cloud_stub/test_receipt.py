"""Every deletion ends in a signed receipt, which later tells whether the ledger was changed behind it."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_stub.errors import CloudError
from cloud_stub.retention import receipt
from tests.cloud_stub.house import Neighbourhood, neighbourhood
from tests.processes import cloud_stub


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Neighbourhood]:
    with neighbourhood(tmp_path / "data") as it:
        yield it


def made(cloud: Neighbourhood) -> dict[str, Any]:
    house = cloud.house
    with house.stores.read() as connection:
        last = receipt.listed(connection)[-1]["deletion"]
        return receipt.make(connection, house.keys, house.policy, last)


def test_a_receipt_says_per_store_what_was_done_under_which_rule(cloud: Neighbourhood) -> None:
    cloud.say("set an alarm for seven a m")
    cloud.say("delete everything")
    given_out = made(cloud)
    done = {f"{one['store']}/{one['kind']}": one for one in given_out["decisions"]}
    assert done["primary/transcript"]["action"] == "erase"
    assert done["actions/alarm"]["action"] == "keep"
    assert done["subsystems/transcript"]["action"] == "erase after P30D"
    assert "would not want or expect deletion" in done["actions/alarm"]["clause"]
    assert given_out["ledger"]["length"] >= len(given_out["decisions"])


def test_a_receipt_holds_no_id_no_account_and_no_word(cloud: Neighbourhood) -> None:
    said = cloud.say("remember that the zebra is loose")
    cloud.say("delete everything")
    text = json.dumps(made(cloud))
    assert not [secret for secret in (said, "household", "zebra") if secret in text]


def test_an_unchanged_receipt_verifies_without_a_cloud(cloud: Neighbourhood, tmp_path: Path) -> None:
    cloud.say("what time is it")
    cloud.say("delete everything")
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(made(cloud)))
    done = cloud_stub("receipt", "verify", file)
    assert done.returncode == 0, done.stderr
    assert "signed and unchanged" in done.stdout
    other = cloud_stub("receipt", "verify", file, "--key", "AAAA")
    assert (other.returncode, "another key" in other.stderr) == (2, True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(min_value=0), digit=st.sampled_from("0123456789abcdef"))
def test_any_change_of_a_receipt_is_found(cloud: Neighbourhood, place: int, digit: str) -> None:
    with cloud.house.stores.read() as connection:
        known = receipt.listed(connection)
    if not known:
        cloud.say("what time is it")
        cloud.say("delete everything")
    text = json.dumps(made(cloud))
    place %= len(text)
    changed = text[:place] + digit + text[place + 1 :]
    try:
        value = json.loads(changed)
    except json.JSONDecodeError:
        return
    if value == json.loads(text):
        return
    with pytest.raises(CloudError, match="changed after it was signed"):
        receipt.verify(value)


def test_a_ledger_cut_off_or_rewritten_behind_a_receipt_is_found(cloud: Neighbourhood) -> None:
    cloud.say("what time is it")
    cloud.say("delete everything")
    given_out = made(cloud)
    house = cloud.house
    with house.stores.read() as connection:
        assert receipt.held_against(connection, given_out) is None
    length = given_out["ledger"]["length"]
    with house.stores.write() as connection:
        connection.exec_driver_sql("UPDATE main.entry SET hash = 'x' WHERE seq = ?", (length,))
    with house.stores.read() as connection:
        assert "is another than" in str(receipt.held_against(connection, given_out))
    with house.stores.write() as connection:
        connection.exec_driver_sql("DELETE FROM main.entry WHERE seq = ?", (length,))
    with house.stores.read() as connection:
        assert "is shorter than" in str(receipt.held_against(connection, given_out))


@pytest.mark.parametrize("text", ["", "[]", "{}", "no receipt", '{"ledger": 1}'])
def test_what_is_no_receipt_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "receipt.json"
    file.write_text(text)
    done = cloud_stub("receipt", "verify", file)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "is no receipt" in done.stderr


def test_closing_an_account_destroys_its_key_and_the_chain_still_verifies(tmp_path: Path) -> None:
    with neighbourhood(tmp_path) as cloud:
        said = cloud.say("what time is it")
        before = cloud.house.keys.pseudonym("household", said)
        cloud.house.engine.close_account("household")
        after = cloud.house.keys.pseudonym("household", said)
    assert before != after
    assert "the chain is whole" in cloud_stub("ledger", "verify", "--data", tmp_path).stdout
    with closing((tmp_path / "cloud" / "ledger.db").open("rb")) as ledger:
        assert before.encode() in ledger.read()
