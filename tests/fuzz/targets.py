"""The decoders, in one table. Whatever the bytes, each decodes them or raises one of the errors that it documents.

Where what was decoded is acted on, the target goes on to that: a message that is taken must not break its taker.
"""

import atexit
import json
import tempfile
from argparse import ArgumentTypeError
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jsonschema
from msgspec import Struct

from cloud_stub import recordings
from cloud_stub.batch import Incoming
from cloud_stub.cli import _time
from cloud_stub.commands.look import read_receipt
from cloud_stub.contract import trace
from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.channels import CHANNELS, check
from cloud_stub.contract.messages import decode, directive_topic
from cloud_stub.contract.partners import PartnerRequest
from cloud_stub.contract.schemas import schema
from cloud_stub.errors import CloudError
from cloud_stub.page import waveform
from cloud_stub.residue import sounds
from cloud_stub.retention import policy, receipt
from cloud_stub.stores import backups
from cloud_stub.third_parties.partner import Skill
from device import control, official_models, settings
from device.commands.contract import judge
from device.errors import EchoError
from device.keeping import Bounds, Keeping
from device.model_building import recipe
from device.model_building.recordings import recordings as people
from device.switches import Switches
from device.uplink import Uplink
from tests.cloud_stub.house import Neighbourhood, neighbourhood

_OPEN = ExitStack()
atexit.register(_OPEN.close)


@dataclass(frozen=True)
class Target:
    """One decoder. Of a message the first line is the topic, or its last part."""

    name: str
    decode: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = ()
    """What it raises, as documented, for what it does not take. Anything else is a crash."""

    def takes(self, given: bytes) -> bool:
        """Whether the bytes were taken and not refused. Raises what no caller expects."""
        try:
            self.decode(given)
        except self.refusals:
            return False
        return True


@cache
def folder() -> Path:
    """For what is decoded from files."""
    return Path(_OPEN.enter_context(tempfile.TemporaryDirectory(prefix="fuzz")))


def _file(name: str, given: bytes) -> Path:
    file = folder() / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(given)
    return file


def _message(given: bytes) -> tuple[str, bytes]:
    topic, _, payload = given.partition(b"\n")
    return topic.decode("utf-8", "replace"), payload


@cache
def _validator(kind: type[Struct]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema(kind))


def _contract(given: bytes) -> None:
    topic, payload = _message(given)
    check(topic, payload)
    (kind,) = (channel.kind for channel in CHANNELS if channel.match(topic) is not None)
    if kind is not None:
        # A command without fields needs no payload, which no schema can say.
        found = next(_validator(kind).iter_errors(json.loads(payload.strip() or b"{}")), None)
        assert found is None, f"accepted, though the schema says: {found and found.message}"


def _control(given: bytes) -> None:
    command = control.read_command(*_message(given))
    if isinstance(command, control.Hear):
        control.blocks(command.sound)


@cache
def _device() -> tuple[Keeping, Uplink]:
    keeping = Keeping(folder() / "devices/kitchen", Bounds())
    _OPEN.callback(keeping.close)
    uplink = Uplink("kitchen", BrokerAddress.parse("mqtt://127.0.0.1:9"), keeping.outbox)
    uplink._client.max_queued_messages_set(1)  # it is never connected, and what it would confirm must not pile up
    return keeping, uplink


def _directive(given: bytes) -> None:
    """As a device takes it: acted on, and rung where it is an alert."""
    keeping, uplink = _device()
    name, payload = _message(given)
    uplink._on_message(directive_topic("kitchen", name), payload, False)
    uplink._acted_on.clear()
    uplink.pump(keeping.obey)
    now = keeping.clock.now()
    for kept in keeping.alerts.all():
        kept.told()
    keeping.alerts.stop(now)
    keeping.alerts.forget({kept.interaction for kept in keeping.alerts.all()})


@cache
def _cloud() -> Neighbourhood:
    return _OPEN.enter_context(neighbourhood(folder() / "cloud"))


def _ingest(given: bytes) -> None:
    """As the cloud takes it: refused messages are quarantined, and nothing is raised."""
    _cloud().ingest.handle([Incoming(*_message(given))])


def _recording(given: bytes) -> None:
    """What the cloud takes for a recording, the page can draw and a report of residue can read."""
    recordings.check(given)
    waveform.small(given)
    sounds.windows_of(given)


@cache
def _skill() -> Skill:
    skill = Skill("ride", "honours", folder())
    _OPEN.callback(skill.close)
    return skill


def _third_party(given: bytes) -> None:
    _skill().answer(decode(PartnerRequest, given))


def _settings(given: bytes) -> None:
    settings.load(_file("device.toml", given), {}, {})


def _captured(given: bytes) -> None:
    for judged in judge(given.splitlines(keepends=True)):
        assert judged.line


def _trace(given: bytes) -> None:
    for sent in trace.load(_file("trace.jsonl", given)):
        assert (sent.at - sent.at).total_seconds() == 0
        trace.line(sent)


def _manifest(given: bytes) -> None:
    _file("kept/backups/2026/manifest.json", given)
    backups.listed(folder() / "kept")


def _receipt(given: bytes) -> None:
    receipt.verify(read_receipt(_file("receipt.json", given)))


def _transcripts(given: bytes) -> None:
    people(_file("people/transcripts.tsv", given).parent, "train")


def _switches(given: bytes) -> None:
    Switches(_file("switches/switches.json", given).parent)


def _text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda given: read(given.decode("utf-8", "replace"))


TARGETS = {
    target.name: target
    for target in (
        Target("contract", _contract, (ValueError,)),
        Target("captured", _captured),
        Target("ingest", _ingest),
        Target("recording", _recording, (ValueError,)),
        Target("third_party", _third_party, (ValueError,)),
        Target("directive", _directive),
        Target("control", _control, (ValueError, EchoError)),
        Target("policy", lambda given: policy.load(str(_file("policy.toml", given))), (CloudError,)),
        Target("settings", _settings, (EchoError,)),
        Target("switches", _switches),
        Target("trace", _trace, (ValueError,)),
        Target("transcripts", _transcripts, (EchoError,)),
        Target("models", lambda given: official_models.listed(given, {}), (EchoError,)),
        Target("recipe", lambda given: recipe.read(_file("recipe.toml", given)), (EchoError,)),
        Target("manifest", _manifest, (CloudError,)),
        Target("receipt", _receipt, (CloudError,)),
        Target("broker_address", _text(BrokerAddress.parse), (ValueError,)),
        Target("time", _text(_time), (ArgumentTypeError,)),
    )
}
