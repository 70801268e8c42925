"""What the presenter reads is true: every command runs, and every sentence is understood."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cloud_stub.contract.messages import Attention
from device import cli
from device.pins import PANELS
from device.settings import OPTIONS
from device.testing.processes import device
from device.testing.remote import remote
from tests.processes import asked, cloud, free_port, missing, mosquitto, until

ROOT = Path(__file__).parents[2]
PRESENTING = (ROOT / "hardware/PRESENTING.md").read_text("utf-8")
README = (ROOT / "hardware/README.md").read_text("utf-8")
INSTALLER = (ROOT / "hardware/install.sh").read_text("utf-8")

#: These go on until they are stopped.
GO_ON = ("cloud-stub serve", "echo-device run")

#: gpiozero's own, for whole programs.
MOCK_PINS = {"GPIOZERO_PIN_FACTORY": "mock", "GPIOZERO_MOCK_PIN_CLASS": "mockpwmpin"}

#: Where there is neither a broker yet, nor a microphone, nor anybody at the buttons these find a problem: their work.
FINDS_PROBLEMS = ("echo-device doctor", "echo-device hardware-check")


def commands() -> list[str]:
    return re.findall(
        r"^[a-z_-]+ .*$",
        "\n".join(re.findall(r"^```sh\n(.*?)^```$", PRESENTING, re.MULTILINE | re.DOTALL)),
        re.MULTILINE,
    )


def sentences() -> list[str]:
    return re.findall(r"^- Alexa, (.*)$", PRESENTING, re.MULTILINE)


@pytest.mark.readme
@pytest.mark.timeout(900)
def test_every_command_of_the_talk_runs(tmp_path: Path) -> None:
    if shutil.which("mosquitto_pub") is None:
        missing("Mosquitto's clients", "apt install mosquitto-clients")
    ports = {port: str(free_port()) for port in sorted(set(re.findall(r"\b188\d\d\b", PRESENTING)))}
    path = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "HOME": str(tmp_path), "COLUMNS": "200"} | MOCK_PINS
    (tmp_path / "device").symlink_to(ROOT / "device")
    assert len(commands()) > 8
    with ExitStack() as stack:
        for number, command in enumerate(commands()):
            line = re.sub(r"\b188\d\d\b", lambda found: ports[found[0]], command)
            if command.startswith(GO_ON):
                # There is no microphone here: the rest of the command is as it stands.
                line = line + " --microphone none" * ("echo-device" in line)
                log = tmp_path / f"background-{number}"
                with log.open("w") as file:
                    process = subprocess.Popen(
                        ["bash", "-c", f"exec {line}"], cwd=tmp_path, env=environment, stdout=file, stderr=file
                    )
                stack.callback(process.wait)
                stack.callback(process.terminate)
                ready = re.compile("running|serves|Stop with Ctrl-C")
                until(lambda log=log, ready=ready: ready.search(log.read_text()), f"{command} to be ready", 120)
                continue
            done = subprocess.run(
                ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            expected = {0, 1, 2} if command.startswith(FINDS_PROBLEMS) else {0}
            assert done.returncode in expected, f"{command}\n{done.stdout}{done.stderr}"
            if command.startswith(FINDS_PROBLEMS):
                assert "remedy" in done.stdout


@pytest.fixture(scope="module")
def understood(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """What the cloud made of each sentence of the talk, said to a device in their order."""
    data = tmp_path_factory.mktemp("talk") / "data"
    with (
        cloud(data) as server,
        remote(server.broker) as person,
        device(server.broker, data, "--microphone", "none", "--no-voice"),
    ):
        person.online()
        answers = []
        for text in sentences():
            exchange = person.say(text)
            answers.append(f"{exchange.intent}: {exchange.response}")
            if text.startswith("delete"):
                until(lambda: asked("history", "household", "--data", data) == [], "an empty history")
                assert asked("left", "household", "--data", data)["left"], "and yet something is left"
        yield answers


def test_every_sentence_of_the_talk_is_understood_and_the_walnut_outlives_the_deletion(understood: list[str]) -> None:
    assert len(understood) == len(sentences()) == 7
    assert [line for line in understood if line.startswith((":", "Fallback"))] == []
    assert "allergic to walnuts" in understood[-1], understood
    assert sentences()[-2].startswith("delete everything")


def test_the_device_starts_with_a_panel_and_ends_without_a_word(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker, remote(broker) as person:
        with device(
            broker, tmp_path / "data", "--panel", "leds", "--microphone", "none", "--no-voice", **MOCK_PINS
        ) as process:
            person.online()
            assert person.ask("mute")["muted"]
        assert process.returncode == 130
    assert "Traceback" not in (tmp_path / "run.log").read_text()


def test_every_option_that_the_documents_name_is_one() -> None:
    texts = PRESENTING + README
    parser = cli._parser()
    (commands_of,) = [action for action in parser._actions if action.choices]
    known = {option for each in commands_of.choices.values() for option in each._option_string_actions}
    known.update(re.findall(r"^    (--[a-z-]+)\)", INSTALLER, re.MULTILINE))
    named = set(re.findall(r"echo-device [a-z-]+[^`\n]*?(--[a-z-]+)", texts)) | set(re.findall(r"`(--[a-z-]+)", texts))
    assert named
    assert named - known == set()


def test_the_documents_name_every_state_and_panel() -> None:
    from typing import get_args

    assert [state for state in get_args(Attention) if f"| {state} |" not in README] == []
    assert [
        panel for panel in PANELS if f'panel = "{panel}"' not in README or f"wiring-{panel}.svg" not in README
    ] == []
    assert OPTIONS["brightness"].default == 25, "as the parts list says"
