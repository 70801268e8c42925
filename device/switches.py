"""What a person has set on the device itself: muted, volume, do not disturb. They outlive a restart and a power cut."""

from pathlib import Path

import msgspec

from cloud_stub.contract.messages import Percent
from device import durable
from device.errors import EchoError


class Positions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the switches stand."""

    muted: bool = False
    do_not_disturb: bool = False
    volume: Percent = 50


class Switches:
    """Keeps the positions in `folder`/switches.json. `now` is what holds, whether or not it could be written."""

    def __init__(self, folder: Path) -> None:
        """Read them. A file that cannot be read counts as muted: a broken switch must not open the microphone."""
        self._file = folder / "switches.json"
        self.broken = ""
        self.now = Positions()
        try:
            self.now = msgspec.json.decode(self._file.read_bytes(), type=Positions)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            self.now = Positions(muted=True)
            self.broken = f"{self._file} cannot be read: {error}. So the device is muted; unmute it to go on."

    def set(self, **changes: bool | int) -> None:
        """Change positions. They hold at once; raises EchoError if they would not outlive a restart."""
        self.now = msgspec.structs.replace(self.now, **changes)
        try:
            durable.make_folder(self._file.parent, 0o700)
            durable.replace(self._file, msgspec.json.encode(self.now))
        except OSError as error:
            raise EchoError(
                f"{self._file} cannot be written: {error}. It holds until the next restart only; free some disk space."
            ) from error
