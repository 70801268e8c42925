"""What lacks a wheel for the Raspberry Pi is found, and no network is not taken for no wheels."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.builds

SCRIPT = Path(__file__).parents[2] / "hardware/check_wheels.py"


def check(project: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPT), "--project", str(project), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


def project(folder: Path, *needed: str, hardware: tuple[str, ...] = ()) -> Path:
    file = folder / "pyproject.toml"
    extra = f"\n[project.optional-dependencies]\nhardware = {json.dumps(hardware)}\n" if hardware else ""
    file.write_text(f'[project]\nname = "needy"\nversion = "1"\ndependencies = {json.dumps(needed)}\n{extra}')
    return file


def wheel(folder: Path, name: str, tag: str, *needed: str) -> None:
    """A wheel with nothing in it, for that kind of machine."""
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + "".join(f"Requires-Dist: {n}\n" for n in needed)
    with zipfile.ZipFile(folder / f"{name}-1.0-{tag}.whl", "w") as file:
        file.writestr(f"{name}-1.0.dist-info/METADATA", about)
        file.writestr(f"{name}-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        file.writestr(f"{name}-1.0.dist-info/RECORD", "")


@pytest.fixture
def shelf(tmp_path: Path) -> dict[str, str]:
    """Packages of ours alone, and pip's settings to see no others."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    wheel(folder, "anywhere", "py3-none-any", "inner")
    wheel(folder, "inner", "cp311-cp311-manylinux_2_28_aarch64")
    wheel(folder, "inner", "cp313-cp313-manylinux_2_28_aarch64")
    wheel(folder, "desk", "cp311-abi3-manylinux_2_28_x86_64")
    wheel(folder, "old", "cp311-cp311-manylinux_2_28_aarch64")
    wheel(folder, "pins", "py3-none-manylinux2014_aarch64")
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": os.devnull}


def test_what_has_wheels_all_the_way_down_passes(tmp_path: Path, shelf: dict[str, str]) -> None:
    done = check(project(tmp_path, "anywhere", "pins; platform_machine == 'aarch64'"), "--json", **shelf)
    assert done.returncode == 0, done.stderr
    assert {(each["python"], each["name"]) for each in json.loads(done.stdout) if each["file"]} == {
        (python, name) for python in ("3.11", "3.13") for name in ("anywhere", "inner", "pins")
    }


def test_what_lacks_a_wheel_is_named_with_its_python(tmp_path: Path, shelf: dict[str, str]) -> None:
    done = check(project(tmp_path, "anywhere", "desk", hardware=("old",)), **shelf)
    assert done.returncode == 1, done.stderr
    last = done.stdout.splitlines()[-2:]
    assert last[0] == "no wheel for aarch64: desk on Python 3.11, desk on Python 3.13, old on Python 3.13"
    assert "nothing was run on a Raspberry Pi" in last[1]


def test_what_lacks_a_wheel_may_come_from_the_distribution(tmp_path: Path, shelf: dict[str, str]) -> None:
    done = check(project(tmp_path, "anywhere", hardware=("lgpio; platform_machine == 'aarch64'",)), **shelf)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("apt: python3-lgpio") == 2


def test_without_network_nothing_is_called_missing(tmp_path: Path) -> None:
    offline = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "1"}
    done = check(project(tmp_path, "anywhere"), PIP_FIND_LINKS=str(tmp_path), PIP_EXTRA_INDEX_URL="", **offline)
    assert (done.returncode, done.stdout) == (2, "")
    assert "the package index cannot be reached, so nothing was checked" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.soak
def test_all_that_the_device_needs_has_a_wheel_for_the_raspberry_pi() -> None:
    done = check(SCRIPT.parents[1] / "pyproject.toml", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"vosk", "numpy", "soxr"} <= {each["name"] for each in json.loads(done.stdout)}
