"""What the device keeps on disk: the outbox, the alerts, saved sound; and how directives of the cloud change it."""

import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cloud_stub.contract.messages import Alert, Clock, Directive, Forget, Forgotten, Interaction
from device.alerts import Alerts
from device.clock import DeviceClock
from device.errors import EchoError
from device.outbox import LONGEST, MOST_BYTES, Outbox
from device.saved_sound import SavedSound

log = logging.getLogger(__name__)

#: How often to look for what has grown too old in the outbox, in seconds.
LOOK_S = 3600.0


@dataclass(frozen=True)
class Bounds:
    """How long and how much the outbox may hold, and where sound is saved (None: nowhere)."""

    outbox_age: timedelta = LONGEST
    outbox_bytes: int = MOST_BYTES
    save_audio: Path | None = None


class Keeping:
    """One device's folder."""

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        """Open, and create, what is kept there. Raises EchoError where that cannot be done."""
        self.clock = DeviceClock()
        self.outbox = Outbox(folder, bounds.outbox_age, bounds.outbox_bytes)
        self.alerts = Alerts(folder)
        self.saved = SavedSound(bounds.save_audio) if bounds.save_audio else None
        self._look_at = 0.0

    def take(self, interaction: Interaction, flac: bytes | None) -> None:
        """Keep what was heard until the cloud has it, in one commit. Raises EchoError where the disk is full.

        Saved sound is a convenience: where it cannot be saved that is said, and the interaction is kept all the same.
        """
        self.outbox.put(interaction, flac)
        self._look_at = 0.0
        if self.saved is not None and flac is not None:
            try:
                self.saved.save(interaction.id, flac)
            except EchoError as error:
                log.error("%s", error)  # noqa: TRY400 - the message says all

    def dropped(self) -> list[str]:
        """Drop what the outbox may not hold, or not any longer. Returns the interactions, each said in the log."""
        if time.monotonic() < self._look_at:
            return []
        self._look_at = time.monotonic() + LOOK_S
        names = self.outbox.drop(self.clock.now())
        for name in names:
            log.warning(
                "dropped interaction %s, which the cloud never fetched: the outbox is full, or it too old", name
            )
        return names

    def obey(self, directive: Directive) -> None:
        """Do what the directive says about what is kept. Raises EchoError where the disk does not let us."""
        match directive:
            case Alert():
                self.alerts.keep(directive)
            case Clock():
                self.clock.forward(directive.now)
            case Forgotten(part=part, interaction=name):
                # It was deleted, or a setting forbids keeping it: that holds for our own copy too.
                self._forget(part, [name])
            case Forget(what="alert", interactions=names):
                self.alerts.forget(names)
            case Forget(what="about", interactions=names):
                self.alerts.forget_about(names)
            case Forget(what=what, interactions=names):
                self._forget(what, names)

    def close(self) -> None:
        """Close the files; what is in them stays."""
        self.outbox.close()
        self.alerts.close()

    def _forget(self, what: str, names: list[str]) -> None:
        for name in names:
            self.outbox.forget(name, "recording" if what == "recording" else "interaction")
        if what == "recording" and self.saved is not None:
            self.saved.forget(names)
