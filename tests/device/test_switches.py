"""What a person has set on the device holds over a restart; what cannot be read keeps the microphone closed."""

from pathlib import Path

import pytest

from device.errors import EchoError
from device.switches import Positions, Switches


def test_a_new_device_is_not_muted_and_half_loud(tmp_path: Path) -> None:
    assert Switches(tmp_path).now == Positions(muted=False, do_not_disturb=False, volume=50)


def test_what_was_set_holds_after_a_restart(tmp_path: Path) -> None:
    switches = Switches(tmp_path / "devices" / "kitchen")
    switches.set(muted=True)
    switches.set(volume=0, do_not_disturb=True)
    assert Switches(tmp_path / "devices" / "kitchen").now == Positions(muted=True, do_not_disturb=True, volume=0)
    assert [file.name for file in (tmp_path / "devices" / "kitchen").iterdir()] == ["switches.json"]


@pytest.mark.parametrize("content", [b"", b'{"muted":fal', b'{"muted":"no"}', b'{"volume":101}', b"\xff", b"[]"])
def test_a_file_that_cannot_be_read_means_muted(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "switches.json").write_bytes(content)
    switches = Switches(tmp_path)
    assert switches.now.muted
    assert "switches.json cannot be read" in switches.broken
    assert "unmute it" in switches.broken


def test_a_switch_that_cannot_be_written_holds_and_says_for_how_long(tmp_path: Path) -> None:
    (tmp_path / "kitchen").write_text("a file is in the way of the folder")
    switches = Switches(tmp_path / "elsewhere")
    switches._file = tmp_path / "kitchen" / "switches.json"
    with pytest.raises(EchoError, match="until the next restart only"):
        switches.set(muted=True)
    assert switches.now.muted
