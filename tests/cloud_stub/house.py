"""A cloud without a broker: real stores, keys, policy, engine, assistant and ingest on a folder of the test's."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import soundfile
from sqlalchemy import select

from cloud_stub.assistant import Assistant
from cloud_stub.batch import Incoming
from cloud_stub.contract.messages import DIRECTIVES, Directive, Interaction, decode, encode, new_id, recording_topic
from cloud_stub.house import House, open_house
from cloud_stub.ingest import Ingest
from cloud_stub.residue.left import Left, left
from cloud_stub.retention.policy import SHIPPED
from cloud_stub.stores.tables import directive
from cloud_stub.voice_history import history

UTC_ZONE = ZoneInfo("UTC")


@cache
def assistant() -> Assistant:
    """Loading the templates takes longer than most tests."""
    return Assistant()


@cache
def flac(seed: int = 0, seconds: float = 0.2) -> bytes:
    """A short sound, 16 kHz mono: noise, so that no two are alike."""
    noise = np.random.default_rng(seed).integers(-3000, 3000, int(16_000 * seconds)).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, noise, 16_000, format="FLAC")
    return file.getvalue()


@dataclass
class Neighbourhood:
    """The cloud, and what is easy to say to it."""

    house: House
    ingest: Ingest
    data: Path
    said: dict[str, Incoming] = field(default_factory=dict)

    def say(
        self, text: str, *, at: datetime | None = None, device: str = "kitchen", send: bool = True, sound: bool = True
    ) -> str:
        """Say something: the interaction and, unless told otherwise, its recording. Returns the interaction's id."""
        at = at or datetime.now(UTC)
        interaction = Interaction(
            id=new_id(at), device=device, at=at, source="text", wake_word="alexa", transcript=text, has_recording=sound
        )
        self.said[interaction.id] = Incoming(interaction.topic(), encode(interaction))
        if send:
            self.again(interaction.id)
            if sound:
                self.record(interaction.id, device)
        return interaction.id

    def again(self, *ids: str) -> None:
        """Deliver interactions (again), in one batch."""
        self.ingest.handle([self.said[name] for name in ids])

    def record(self, interaction: str, device: str = "kitchen", sound: bytes | None = None) -> None:
        """Deliver the recording of an interaction (again)."""
        self.ingest.handle([Incoming(recording_topic(device, interaction), sound or flac())])

    def directives(self, interaction: str | None = None) -> list[Directive]:
        """Directives to devices on their way, oldest first."""
        with self.house.stores.read() as connection:
            mine = select(directive).where(directive.c.recipient.startswith("device/")).order_by(directive.c.id)
            rows = self.house.keys.seal.opened(directive, connection.execute(mine).mappings())
        found = [decode(DIRECTIVES[row["purpose"]], row["payload"]) for row in rows]
        return [one for one in found if interaction is None or getattr(one, "interaction", None) == interaction]

    def answers(self, interaction: str) -> list[tuple[str, str | None]]:
        """(answer, part) that the device got for an interaction, oldest first."""
        return [(one.name, one.part) for one in self.directives(interaction) if hasattr(one, "part")]

    def history(self, account: str = "household") -> list[dict[str, Any]]:
        with self.house.stores.read() as connection:
            return history(connection, self.house.keys.seal, account)

    def left(self, account: str = "household") -> list[Left]:
        house = self.house
        with house.stores.read() as connection:
            return left(connection, house.keys, house.policy, account, house.clock.now(), house.data)

    def kinds_left(self, *interactions: str) -> set[str]:
        return {f"{row.store}/{row.kind}" for row in self.left() if row.interaction in interactions}

    def files(self) -> dict[str, bytes]:
        """Every file of the data folder, by its path within."""
        return {str(file.relative_to(self.data)): file.read_bytes() for file in self.data.rglob("*") if file.is_file()}


@contextmanager
def neighbourhood(data: Path, policy: str = "amazon-2019", **options: Any) -> Iterator[Neighbourhood]:
    """Open the cloud on that folder."""
    simulated, store = options.pop("simulated", False), options.pop("store", None)
    with open_house(data, policy, create=True, simulated=simulated, store=store) as house:
        ingest = Ingest(
            house.stores, house.keys, house.engine, assistant(), house.clock, options.pop("zone", UTC_ZONE), **options
        )
        yield Neighbourhood(house, ingest, data)


def sealed(folder: Path, policy: str = "amazon-2019", more: str = "") -> str:
    """That policy, sealed, as a file in the folder; `more` is TOML."""
    file = folder / f"{policy}-sealed.toml"
    file.write_text(f'name = "{policy}-sealed"\nbased_on = "{policy}"\nsealed = true\n{more}')
    return str(file)


def reminders_without_words(after: str = "") -> str:
    """The letter's policy, but for a deleted reminder, which stays without its words; `after` is a line with a time."""
    letter = (SHIPPED / "amazon-2019.toml").read_text().replace('"alarm", "reminder", ', '"alarm", ', 1)
    return (
        f'{letter}\n[[rule]]\nstore = "actions"\nkind = "reminder"\ntrigger = "user_delete"\naction = "redact"\n'
        f'fields = ["about"]\n{after}because = "we take the words out"\nassumed = true\n'
    )


def ago(**period: float) -> datetime:
    return datetime.now(UTC) - timedelta(**period)
