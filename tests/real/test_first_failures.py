"""The likeliest failures of a first start, the sound's and the model's: cause and remedy in one line, no traceback.

Those of the broker and the disk are in test_broker_trouble.py.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from device import microphone
from device.errors import EchoError
from device.microphone import Microphone, forbidden
from device.testing.processes import device as running
from tests.processes import echo_device, missing, until
from tests.real.test_capture import ASOUNDRC

NOWHERE = "mqtt://127.0.0.1:1"


def doctor(*arguments: str, **environment: str) -> dict[str, dict[str, str]]:
    """What the doctor finds, by its checks; it ends with 1 because there is no broker."""
    done = echo_device("doctor", "--json", "--broker", NOWHERE, *arguments, **environment)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    findings: list[dict[str, Any]] = json.loads(done.stdout)
    return {finding["check"]: finding for finding in findings}


@pytest.fixture
def vmic(tmp_path: Path) -> Path:
    """A home folder with a microphone in it that gives out noise."""
    try:
        import sounddevice  # noqa: F401
    except OSError:
        missing("PortAudio", "apt install libportaudio2")
    (tmp_path / "samples.raw").write_bytes(os.urandom(200_000))
    (tmp_path / ".asoundrc").write_text(ASOUNDRC.format(infile=tmp_path / "samples.raw"))
    return tmp_path


@pytest.fixture
def without_portaudio(tmp_path: Path) -> dict[str, str]:
    """An environment in which ctypes finds no libportaudio, as on a machine that has none."""
    (tmp_path / "sitecustomize.py").write_text(
        "import ctypes.util\nctypes.util.find_library = lambda name: None\n"
        "import ctypes\nimport cffi\nreal = cffi.FFI.dlopen\n"
        "def dlopen(self, name, *more):\n"
        "    if name is None or 'portaudio' in str(name): raise OSError('PortAudio library not found')\n"
        "    return real(self, name, *more)\ncffi.FFI.dlopen = dlopen\n"
    )
    return {"PYTHONPATH": f"{tmp_path}:{Path.cwd()}"}


def test_without_portaudio_the_command_that_installs_it_is_named(without_portaudio: dict[str, str]) -> None:
    done = echo_device("microphones", **without_portaudio)
    assert done.returncode == 2
    assert "PortAudio is not installed" in done.stderr
    assert "apt install libportaudio2" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "libportaudio2" in doctor(**without_portaudio)["PortAudio"]["remedy"]


def test_without_a_microphone_the_device_says_so_and_goes_on_trying(tmp_path: Path) -> None:
    with running(NOWHERE, tmp_path / "data", "--no-voice", HOME=str(tmp_path)) as device:
        log = tmp_path / "run.log"
        until(lambda: "deaf: " in log.read_text(), "the device to say that it is deaf")
        assert device.poll() is None
    lines = [line for line in log.read_text().splitlines() if line.startswith("deaf: ")]
    assert lines == ["deaf: There is no microphone. Plug one in, or let the device hear a sound file."]
    assert "Traceback" not in log.read_text()
    assert doctor(HOME=str(tmp_path))["microphones"]["problem"] == "There is no microphone."


def test_a_wrong_name_is_answered_with_the_right_ones(vmic: Path) -> None:
    found = doctor("--microphone", "yeti", HOME=str(vmic))["microphones"]
    assert found["problem"] == "No microphone matches 'yeti'."
    assert found["remedy"] == "There are: vmic"


def test_sound_cards_that_this_user_may_not_open_name_the_group(tmp_path: Path) -> None:
    # PortAudio does not list what it may not open, so this is what "no microphone" mostly means on Linux.
    (tmp_path / "pcmC0D0c").touch(mode=0)
    script = "import sys, pathlib, device.microphone as m; print(m.forbidden(pathlib.Path(sys.argv[1])))"
    # Root opens every file, unless that right is taken from it.
    without_rights = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    done = subprocess.run(
        [*without_rights, sys.executable, "-c", script, str(tmp_path)],
        env=os.environ | {"LOGNAME": "alice"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (
        f"User 'alice' may not open the sound cards in {tmp_path}. Run: sudo usermod -aG audio alice; log in again.\n"
    )
    assert forbidden(tmp_path / "no cards") == ""


def test_forbidden_cards_are_named_instead_of_missing_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "microphones", tuple)
    monkeypatch.setattr(microphone, "forbidden", lambda: "You may not open them. Run: this")
    with pytest.raises(EchoError, match=r"^You may not open them\. Run: this$"):
        microphone.find(None)


def refusing(monkeypatch: pytest.MonkeyPatch, vmic: Path, code: int) -> EchoError:
    """What is said where PortAudio refuses with that code: its own error, raised where it would raise it."""
    import sounddevice

    def refuse(*_: object, **__: object) -> None:
        sounddevice._check(code, "Error opening RawInputStream")

    monkeypatch.setattr(sounddevice, "RawInputStream", refuse)
    monkeypatch.setattr(sounddevice, "check_input_settings", refuse)
    monkeypatch.setattr(sounddevice, "query_devices", lambda *_: [
        {"name": "Yeti", "index": 0, "max_input_channels": 2, "default_samplerate": 48_000.0}
    ])  # fmt: skip
    monkeypatch.setattr(microphone, "_sounddevice", lambda: sounddevice)
    with pytest.raises(EchoError) as caught, Microphone("Yeti"):
        pass
    return caught.value


def test_a_busy_microphone_says_who_may_hold_it(monkeypatch: pytest.MonkeyPatch, vmic: Path) -> None:
    line = str(refusing(monkeypatch, vmic, -9985))
    assert line.startswith("The microphone Yeti does not open: ")
    assert "another program holds it" in line
    assert "Close that program" in line


def test_a_rate_that_no_conversion_helps_is_named(monkeypatch: pytest.MonkeyPatch, vmic: Path) -> None:
    line = str(refusing(monkeypatch, vmic, -9997))
    assert "neither at 16000 Hz nor at the rate it names as its own" in line
    assert "Choose another" in line


def test_without_a_model_its_folder_is_named(tmp_path: Path) -> None:
    for command in ("run", "doctor"):
        done = echo_device(command, "--model", str(tmp_path / "nothing"), "--microphone", "none", "--broker", NOWHERE)
        told = done.stdout + done.stderr
        assert done.returncode == {"run": 2, "doctor": 1}[command]
        assert f"There is no folder '{tmp_path / 'nothing'}'" in told
        assert "unpacked Vosk model" in told
        assert "Traceback" not in told


def test_zeros_are_told_from_quiet(vmic: Path) -> None:
    (vmic / "samples.raw").write_bytes(bytes(400_000))
    found = doctor("--microphone", "vmic", HOME=str(vmic))["a second of sound"]
    assert found["problem"] == "nothing but digital zeros."
    assert "privacy settings" in found["remedy"]


def test_a_house_in_order_has_no_problem(vmic: Path, tmp_path: Path) -> None:
    from tests.processes import mosquitto

    with mosquitto(tmp_path / "broker") as broker:
        arguments = ["doctor", "--microphone", "auto", "--broker", broker, "--data", str(tmp_path)]
        done = echo_device(*arguments, HOME=str(vmic))
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert all(line.startswith("ok ") for line in lines)
    checks = [line[9:].split(":")[0] for line in lines]
    assert checks == [
        "PortAudio",
        "microphones",
        "sample rate",
        "a second of sound",
        "speech model",
        "broker's name",
        "broker",
        "login and round trip",
        "clock",
        "disk",
    ]
