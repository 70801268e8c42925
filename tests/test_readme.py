"""Every command in the README runs, and what it shows is what is printed."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.processes import free_port, missing, until

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")

#: Not run here, and why.
ELSEWHERE = {
    "make test": "runs the other tests",
    ".venv/bin/echo-device microphones": "fails where there is none; tests/real/test_first_failures.py runs it",
    ".venv/bin/echo-device models download vosk-model-small-en-us-0.15": "needs the internet; "
    "tests/device/test_model_download.py downloads from a server of its own",
    ".venv/bin/echo-device doctor": "finds a problem where there is none; tests/real/test_first_failures.py runs it",
    "make run": "listens to a microphone until it is stopped; tests/real/test_microphone.py does that",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, so that what the commands write does not stay; its .venv is the one we run in."""
    copy = tmp_path_factory.mktemp("readme") / "checkout"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    else:
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git"))
    (copy / ".venv").symlink_to(ROOT / ".venv")
    # Older than the installation: `make` in the copy must not install the copy into the .venv that we run in.
    os.utime(copy / "pyproject.toml", (0, 0))
    return copy


@pytest.fixture(scope="module")
def printed(checkout: Path) -> Iterator[dict[str, str]]:
    """Run every command in its order; what each printed, by the command."""
    if shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin") is None:
        missing("Mosquitto", "apt install mosquitto")
    if not (ROOT / ".venv/bin/cloud-stub").exists():
        missing("the project's .venv", "make test")
    # The README's ports may be taken, by another run of this test for one.
    ports = {port: str(free_port()) for port in re.findall(r"\b188\d\d\b", README)}
    environment = os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin", "HOME": str(checkout), "COLUMNS": "80"}
    outputs: dict[str, str] = {}
    with ExitStack() as stack:
        for command in commands():
            if command in ELSEWHERE:
                continue
            line = re.sub(r"\b188\d\d\b", lambda found: ports[found[0]], command)
            if command.endswith("&"):
                log = checkout / f"background-{len(outputs)}"
                with log.open("w") as file:
                    process = subprocess.Popen(
                        ["bash", "-c", f"exec {line.rstrip('& ')}"],
                        cwd=checkout,
                        env=environment,
                        stdout=file,
                        stderr=file,
                    )
                stack.callback(process.wait)
                stack.callback(process.terminate)
                until(
                    lambda log=log: re.search("running|serves|Stop with Ctrl-C", log.read_text()),
                    f"{command} to be ready",
                )
                outputs[command] = log.read_text()
                continue
            done = subprocess.run(
                ["bash", "-c", line], cwd=checkout, env=environment, capture_output=True, text=True, check=False
            )
            outputs[command] = done.stdout + done.stderr
            assert done.returncode == 0, f"{command}\n{outputs[command]}"
        yield outputs


@pytest.mark.readme
@pytest.mark.timeout(600)
def test_every_command_in_the_readme_runs(printed: dict[str, str]) -> None:
    assert set(printed) == set(commands()) - set(ELSEWHERE)


@pytest.mark.readme
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("make demo", 0),
        (".venv/bin/echo-device demo --policy erase-everything", 1),
        (".venv/bin/echo-device walnut --svg walnut.svg", 3),
        (".venv/bin/cloud-stub claims --policy erase-everything", 4),
        (".venv/bin/cloud-stub compare --trace week --html compared.html", 5),
    ],
)
def test_what_the_readme_shows_is_what_is_printed(printed: dict[str, str], command: str, number: int) -> None:
    shown = blocks("text")[number]
    lines = [line.rstrip() for line in printed[command].splitlines()]
    for part in shown.split("...\n"):
        wanted = part.rstrip().splitlines()
        found = any(lines[start : start + len(wanted)] == wanted for start in range(len(lines)))
        assert found, f"{command} does not print:\n{part}"


def test_every_command_of_the_programs_is_in_the_readme() -> None:
    from cloud_stub import cli as cloud_cli
    from device import cli as device_cli

    for program, parser in (("cloud-stub", cloud_cli._parser()), ("echo-device", device_cli._parser())):
        (commands_of,) = [action for action in parser._actions if action.dest == "command" or action.choices]
        missing_ones = [name for name in commands_of.choices or () if f"{program} {name}" not in README]
        assert missing_ones == [], program


def test_every_setting_of_the_device_is_in_the_readme() -> None:
    from device.settings import OPTIONS

    assert [key for key in OPTIONS if f"`{key}`" not in README] == []
