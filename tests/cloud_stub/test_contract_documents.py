"""The contract as documents: they are in step with it, and its schemas say exactly what it accepts."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from cloud_stub.contract.asyncapi import documents
from cloud_stub.contract.channels import CHANNELS
from cloud_stub.contract.messages import Clock, decode, encode, new_id
from cloud_stub.contract.schemas import TIME, schema
from tests.cloud_stub.near import ODD_TIMES, VALUES, near, places
from tests.cloud_stub.wire import structs
from tests.fuzz.mutations import mutated
from tests.soak import tenth

DOCS = Path(__file__).parents[2] / "docs"
KINDS = [channel.kind for channel in CHANNELS if channel.kind is not None]
VALIDATORS = {kind: jsonschema.Draft202012Validator(schema(kind)) for kind in KINDS}
ASYNCAPI = yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8"))


def accepted(kind: type[Struct], payload: bytes) -> bool:
    try:
        decode(kind, payload)
    except ValueError:
        return False
    return True


def test_the_documents_are_in_step_with_the_contract() -> None:
    there = {str(file.relative_to(DOCS)) for file in DOCS.rglob("*") if file.suffix in {".json", ".yaml"}}
    assert {name: (DOCS / name).read_text("utf-8") for name in there} == documents(), (
        "run: python -m cloud_stub.contract.asyncapi docs"
    )


def test_the_page_of_messages_names_the_fields_as_the_wire_does() -> None:
    rows = [row for row in (DOCS / "messages.md").read_text("utf-8").splitlines() if row.startswith("| `echo/")]
    shown = {row.split("`")[1].removeprefix("echo/v1/{device}/"): row for row in rows}
    files = [file for file in (DOCS / "schemas").glob("*.json") if not file.name.startswith("partner-")]
    assert files
    for file in files:
        fields = set(json.loads(file.read_text("utf-8"))["properties"])
        assert set(re.findall(r"`(\w+): ", shown[file.stem.replace("-", "/", 1)])) == fields, file.name


def test_the_asyncapi_document_is_one_of_version_3() -> None:
    # In a process of its own: the package warns of itself when it is imported.
    check = (
        "import sys, yaml; from asyncapi3.models import AsyncAPI3; "
        "AsyncAPI3.model_validate(yaml.safe_load(sys.stdin.read()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", check],
        input=(DOCS / "asyncapi.yaml").read_text("utf-8"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ASYNCAPI["asyncapi"] == "3.0.0"


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if "$ref" in part else []
            return own + [found for value in part.values() for found in references(value)]
        return [found for value in part for found in references(value)] if isinstance(part, list) else []

    found = references(ASYNCAPI)
    assert len(found) > len(CHANNELS)
    for reference in found:
        place = ASYNCAPI
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_its_channels_are_the_topics_and_its_schemas_those_of_the_files() -> None:
    assert {channel["address"] for channel in ASYNCAPI["channels"].values()} == {one.address for one in CHANNELS}
    assert len(ASYNCAPI["channels"]) == len(CHANNELS) == len({one.name for one in CHANNELS})
    for file in (DOCS / "schemas").glob("*.json"):
        alone = json.loads(file.read_text("utf-8"))
        assert ASYNCAPI["components"]["schemas"][file.stem]["properties"].keys() == alone["properties"].keys()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_schema_is_one(kind: type[Struct]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(kind))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=tenth(200))
@given(data=st.data())
def test_no_message_is_accepted_that_the_schema_refuses_and_none_refused_that_it_accepts(
    kind: type[Struct], data: st.DataObject
) -> None:
    message = json.loads(encode(data.draw(structs(kind))))
    for _ in range(data.draw(st.integers(0, 2))):
        change = data.draw(st.sampled_from(["replace", "delete", "add"]))
        if change == "add" or not (found := places(message)):
            message[data.draw(st.sampled_from(["version", "mood", "directive", "id", "a\0"]))] = data.draw(VALUES)
            continue
        container, key = data.draw(st.sampled_from(found))
        if change == "replace":
            container[key] = data.draw(near(container[key]))
        else:
            del container[key]
    payload = json.dumps(message).encode()
    refused = list(VALIDATORS[kind].iter_errors(message))
    assert accepted(kind, payload) == (not refused), refused or "the schema accepts it"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=tenth(100))
@given(data=st.data())
def test_no_bytes_are_accepted_that_the_schema_refuses(kind: type[Struct], data: st.DataObject) -> None:
    payload = data.draw(mutated([encode(data.draw(structs(kind)))]))
    if accepted(kind, payload):
        assert list(VALIDATORS[kind].iter_errors(json.loads(payload))) == []


@given(ODD_TIMES)
@example("2000-02-29T00:00:00Z")
@example("1900-02-29T00:00:00Z")
@example("9999-12-31T23:59:59.9999995Z")
@example("0000-12-31T23:59:59Z")
def test_the_pattern_for_times_knows_the_calendar(text: str) -> None:
    fits = jsonschema.Draft202012Validator({"type": "string", "pattern": TIME}).is_valid(text)
    payload = json.dumps({"id": new_id(), "now": text}).encode()
    assert accepted(Clock, payload) == fits
