"""The device knows nothing of the panel's package, and what is missing is said in one line."""

import ast
import sys
from pathlib import Path

import gpiozero
import pytest

from device import panel
from device.errors import EchoError
from device.settings import Settings
from hardware import libraries
from hardware.panel import GpioPanel
from tests.hardware.panels import Board
from tests.processes import echo_device

ROOT = Path(__file__).parents[2]


def imported(folder: str) -> set[str]:
    """Every module that a package's files import, wherever in them."""
    found: set[str] = set()
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_imports_go_from_the_hardware_to_the_device_and_its_contract_and_never_back() -> None:
    for folder in ("device", "cloud_stub"):
        assert not {name for name in imported(folder) if name.split(".")[0] in {"hardware", "gpiozero", "spidev"}}
    of_cloud = {name for name in imported("hardware") if name.startswith("cloud_stub")}
    assert of_cloud
    assert all(name.startswith("cloud_stub.contract") for name in of_cloud)


def test_a_panel_is_found_by_the_name_under_which_it_is_installed() -> None:
    assert {panel.found(panel.PANELS, name) for name in ("leds", "apa102", "ws2812")} == {GpioPanel}
    with pytest.raises(EchoError, match=r"^'piano' is not among .* There are: apa102, leds, ws2812\.$"):
        panel.found(panel.PANELS, "piano")


def test_no_panel_is_looked_for_where_none_is_named() -> None:
    with panel.opened(Settings()) as lights:
        assert lights is None


def test_a_panel_is_closed_however_its_use_ends(pi: Board) -> None:
    def use() -> None:
        with panel.opened(Settings(panel="apa102")):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert pi.released()
    assert pi.wire.closed


def test_without_the_extra_one_line_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiozero", None)
    with pytest.raises(EchoError, match=r"^gpiozero is not installed.* Run: pip install '.+\[hardware\]'$"):
        GpioPanel(Settings(panel="leds"))


def test_without_spidev_one_line_names_the_system_s_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spidev", None)
    with pytest.raises(
        EchoError, match=r"^spidev is not installed.* sudo apt install python3-spidev, .*site-packages$"
    ):
        libraries.spidev()


def test_on_a_machine_without_pins_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpiozero.Device, "pin_factory", None)
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY", raising=False)
    with pytest.raises(EchoError, match=r"^No GPIO pins can be driven here: .* sudo apt install python3-lgpio"):
        libraries.gpiozero()


def test_a_device_that_cannot_have_its_panel_does_not_start(tmp_path: Path) -> None:
    done = echo_device("run", "--panel", "leds", "--data", tmp_path, "--microphone", "none")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("echo-device: No GPIO pins can be driven here")
    assert done.stderr.count("\n") == 1
