"""The installer says what it would do and what is amiss; its units are such as systemd takes, and calls confined."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.processes import missing

HARDWARE = Path(__file__).parents[2] / "hardware"
INSTALLER = HARDWARE / "install.sh"
DARK = "/opt/residual-echo/device/bin/echo-device hardware-check --dark --config /etc/residual-echo/device.toml"
UNITS = sorted((HARDWARE / "units").glob("*.service"))

#: What no device alone may bring: the cloud's libraries, a web framework, a database driver, a learning framework.
FOREIGN = {
    *("amqtt", "fastapi", "starlette", "uvicorn", "flask", "aiohttp", "jinja2", "sqlalchemy", "psycopg", "psycopg2"),
    *("asyncpg", "torch", "hassil", "cryptography", "prometheus-client", "pydantic", "scipy"),
}


def installer(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run it, as a user who is not root: nothing here may change this machine."""
    command = [str(INSTALLER), *arguments]
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
    home = os.environ | {"HOME": "/"}  # root's own would be closed to it
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=home)


def complaint(*arguments: str) -> str:
    done = installer(*arguments)
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.fixture
def systemd_analyze() -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        missing("systemd-analyze", "apt install systemd")
    return str(program)


@pytest.fixture
def only_on_debian() -> None:
    if not shutil.which("dpkg") or "ID=debian" not in Path("/etc/os-release").read_text("utf-8"):
        missing("Debian", "the installer refuses other systems")


def test_help_names_every_option() -> None:
    done = installer("--help")
    assert done.returncode == 0, done.stderr
    taken = set(re.findall(r"^    (--[a-z-]+)\)", INSTALLER.read_text("utf-8"), re.MULTILINE))
    assert taken
    assert taken == set(re.findall(r"^  (--[a-z-]+)", done.stdout, re.MULTILINE))


def test_who_is_not_root_is_told_how_to_be() -> None:
    assert f"this needs root. Run: sudo {INSTALLER} --with-broker" in complaint("--with-broker")


def test_an_option_that_there_is_not_is_named() -> None:
    assert "--with-clod" in complaint("--with-clod")


def test_an_installation_never_removes_data() -> None:
    assert "--keep-data is for --uninstall" in complaint("--keep-data")


def test_a_wheel_that_is_not_there_is_named(only_on_debian: None) -> None:
    assert "there is no wheel nothing.whl" in complaint("--dry-run", "nothing.whl")


def test_a_dry_run_names_what_would_be_done_and_does_none_of_it(only_on_debian: None) -> None:
    done = installer("--dry-run")
    assert done.returncode == 0, done.stderr
    for line in (
        "-m venv --clear --system-site-packages /opt/residual-echo/device",
        "useradd --system --home-dir /var/lib/residual-echo",
        "/etc/systemd/system/residual-echo.service",
        "systemctl enable residual-echo.service",
    ):
        assert line in done.stdout
    assert "cloud" not in done.stdout.replace("residual-echo-cloud", ""), "it was not asked for"
    assert not Path("/opt/residual-echo").exists()


def test_the_installer_is_clean_for_shellcheck() -> None:
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("shellcheck is not here: apt install shellcheck")
    done = subprocess.run([program, str(INSTALLER)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_takes_each_unit(systemd_analyze: str, unit: Path, tmp_path: Path) -> None:
    """Its program is not installed here, so the copy names another one."""
    copy = tmp_path / unit.name
    text = unit.read_text("utf-8")
    (program,) = re.findall(r"^ExecStart=(\S+)", text, re.MULTILINE)
    copy.write_text(text.replace(program, shutil.which("true") or ""), "utf-8")
    done = subprocess.run(
        [systemd_analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if unit.name in line]) == (0, [])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_calls_each_unit_confined(systemd_analyze: str, unit: Path) -> None:
    """Of 100 points of exposure, at most 30."""
    command = [systemd_analyze, "security", "--no-pager", "--offline=yes", "--threshold=30", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_no_unit_leaves_memory_in_a_file(unit: Path) -> None:
    """Nor anything else that the residue scan could not see: what it writes lies in its own folder."""
    lines = unit.read_text("utf-8").splitlines()
    for line in ("LimitCORE=0", "ProtectSystem=strict", "PrivateTmp=yes", "NoNewPrivileges=yes", "Restart=on-failure"):
        assert line in lines
    assert f"StateDirectory={unit.stem}" in lines
    if "mosquitto" not in unit.read_text("utf-8").split("ExecStart=")[1].split()[0]:
        assert "WatchdogSignal=SIGKILL" in lines
    if "echo-device run" in unit.read_text("utf-8"):
        # Killed, the device leaves the ring as it was.
        assert f"ExecStopPost=-{DARK}" in lines


def test_the_device_alone_needs_no_web_framework_no_database_driver_and_no_torch() -> None:
    """What its own requirements lead to, as the installed distributions name theirs."""
    project = tomllib.loads((HARDWARE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    needed: set[str] = set()
    waiting = [Requirement(text) for text in project["dependencies"]]
    while waiting:
        requirement = waiting.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        extras = {""} | requirement.extras
        if name in needed or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        needed.add(name)
        for text in importlib.metadata.requires(requirement.name) or ():
            inner = Requirement(text)
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in extras):
                inner.marker = None
                waiting.append(inner)
    assert {"vosk", "paho-mqtt", "numpy"} <= needed
    assert not FOREIGN & needed


@pytest.mark.soak
def test_a_fresh_environment_gets_the_device_and_nothing_else(tmp_path: Path) -> None:
    """The same by pip itself, which fetches all of it anew. It starts, and says what the cloud lacks."""
    checkout = tmp_path / "checkout"
    shutil.copytree(HARDWARE.parent, checkout, ignore=shutil.ignore_patterns(".venv", ".git", "build", "*.egg-info"))
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "new")], check=True)
    python = tmp_path / "new/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", str(checkout)], check=True)
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    names = {line.partition("==")[0].lower().replace("_", "-") for line in listed.stdout.split()}
    assert {"residual-echo", "vosk", "paho-mqtt"} <= names
    assert not FOREIGN & names
    shown = subprocess.run([tmp_path / "new/bin/echo-device", "--help"], capture_output=True, text=True, check=True)
    assert "listen to the microphone" in shown.stdout
    cloud = subprocess.run([tmp_path / "new/bin/echo-device", "demo"], capture_output=True, text=True, check=False)
    assert (cloud.returncode, cloud.stderr.count("\n")) == (2, 1), cloud.stderr
    assert "pip install '.[cloud]', in the folder with the sources" in cloud.stderr
