"""The pytest plugin as a stranger has it: in runs of pytest of its own, in a folder that is not ours."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud_stub.contract.messages import Clock, Confirm, encode, new_id
from device.testing.remote import RemoteEcho
from tests import forked
from tests.soak import SOAK

NOW = datetime(2026, 11, 26, tzinfo=UTC)
ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("test_*.py"))


def run(
    folder: Path, *arguments: str | Path, forking: bool = not SOAK, **files: str
) -> "subprocess.CompletedProcess[str]":
    """pytest in that folder, on files written there; a warning is an error, a marker must be known.

    Most of its time would go into starting our programs: unless told otherwise they are forked, but in the long run.
    """
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "pytest.ini").touch()
    # A stranger need not have what our tests have besides.
    others = []
    if forking:
        forked.have_a_server()
        others = ["-ptests.forking"]
    others += [f"-pno:{name}" for name in ("anyio", "hypothesispytest", "schemathesis", "xdist")]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-W", "error", "--strict-markers", "-q", *others, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_run_that_does_not_use_it_imports_none_of_what_it_needs(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        forking=False,
        test_mine="""
import sys

def test_mine(pytestconfig):
    assert pytestconfig.pluginmanager.has_plugin("residual_echo")
    ours = {"vosk", "sqlalchemy", "paho", "numpy", "soundfile", "amqtt", "psycopg", "cloud_stub"}
    assert not ours & set(sys.modules)
""",
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_the_examples_pass(tmp_path: Path) -> None:
    assert len(EXAMPLES) == 3
    done = run(tmp_path, **{file.stem: file.read_text() for file in EXAMPLES})
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^9 passed", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_the_tests_in_the_readme_pass_on_the_embedded_broker_too(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (shown,) = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    done = run(tmp_path, "--echo-broker", "embedded", test_shown=shown)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


CHOICES = """
import pytest
from device.testing.plugin import chosen

def test_without_marker(request):
    assert chosen(request, "policy") == "{plain}"

@pytest.mark.echo(policy="erase-everything")
class TestMarked:
    def test_by_its_class(self, request):
        assert chosen(request, "policy") == "erase-everything"

    @pytest.mark.echo(policy="ftc-2023", clock="simulated")
    def test_nearest(self, request):
        assert (chosen(request, "policy"), chosen(request, "clock")) == ("ftc-2023", "simulated")
"""


@pytest.mark.parametrize(
    ("ini", "options", "plain"),
    [
        ("", [], "amazon-2019"),
        ("echo_policy = dont-save-recordings", [], "dont-save-recordings"),
        ("echo_policy = dont-save-recordings", ["--echo-policy", "auto-delete-3-months"], "auto-delete-3-months"),
    ],
    ids=["nothing", "ini", "command line"],
)
def test_a_marker_is_over_the_command_line_and_that_over_the_ini_file(
    tmp_path: Path, ini: str, options: list[str], plain: str
) -> None:
    (tmp_path / "given.ini").write_text(f"[pytest]\n{ini}\n")
    done = run(tmp_path, "-c", "given.ini", *options, test_choices=CHOICES.format(plain=plain))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("test", "options", "complaint"),
    [
        ("def test_it(cloud): ...", ["--echo-policy", "strict"], "strict"),
        ("def test_it(mqtt_broker): ...", ["--echo-broker", "localhost"], "Write mqtt://HOST:PORT"),
        ("def test_it(mqtt_broker): ...", ["--echo-broker", "rabbit"], "Or auto, mosquitto or embedded"),
        ("import pytest\n@pytest.mark.echo(polcy='x')\ndef test_it(cloud): ...", [], "the marker echo has no polcy"),
        ("import pytest\n@pytest.mark.echo('x')\ndef test_it(cloud): ...", [], "Write echo(policy='x')"),
        (
            "def test_it(make_echo): make_echo('living room')",
            [],
            "the device living room did not start: echo-device: --device is",
        ),
        ("def test_it(make_echo): make_echo('hall', loud=True)", [], "there is no setting 'loud'. There are:"),
        ("def test_it(echo, make_echo): make_echo('kitchen')", [], "a device kitchen runs already"),
        ("def test_it(echo): echo.ask('dance')", [], "there is no control command 'dance'"),
    ],
    ids=["policy", "broker", "no broker", "marker", "unnamed", "device", "setting", "twice", "command"],
)
def test_what_is_wrong_is_named_with_what_was_expected(
    tmp_path: Path, test: str, options: list[str], complaint: str
) -> None:
    done = run(tmp_path, *options, test_it=test)
    assert done.returncode == 1, done.stdout
    assert complaint in done.stdout


def test_a_device_that_does_not_hear_fails_the_test_with_its_own_complaint(tmp_path: Path) -> None:
    (tmp_path / "noise.wav").write_bytes(b"RIFF")
    done = run(tmp_path, test_it="def test_it(echo):\n    echo.play('noise.wav')\n")
    assert done.returncode == 1, done.stdout
    assert "EchoError: 'the sound sent to hear' is not a sound file" in done.stdout


def test_a_device_has_the_settings_that_the_test_gives_and_none_of_who_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESIDUAL_ECHO_WAKE_WORD", "computer")
    monkeypatch.setenv("RESIDUAL_ECHO_CONFIG", str(tmp_path / "nowhere.toml"))
    done = run(
        tmp_path,
        test_settings="""
import pytest
from datetime import UTC, datetime, timedelta
from pathlib import Path
import device
from device.errors import EchoError

QUESTION = Path(device.__file__).parent / "spoken_requests" / "11_question.flac"

def test_settings(echo, make_echo):
    assert echo.play(QUESTION).interaction.transcript == "what time is it"
    with pytest.raises(EchoError, match="No 'computer' was heard"):
        make_echo("hall", wake_word="computer", sensitivity=80, home_assistant=False).play(QUESTION)
    assert echo.errors == []
""",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_cloud_that_was_killed_is_started_again_and_takes_what_waited(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        forking=False,
        test_outage="""
from device.testing.processes import until

def test_outage(echo, cloud):
    assert echo.say("remember that i am allergic to walnuts").answer == "stored"
    cloud.kill()
    echo.command("say", {"text": "what am i allergic to"})
    until(lambda: len(echo.interactions) > 1, "the second to be said")
    cloud.start()
    assert "walnuts" in echo.wait_for_interaction().response
    assert len(cloud.history()) == 2
""",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_device_has_the_time_of_the_simulated_clock_from_its_first_word_on(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        test_clock="""
import pytest

@pytest.mark.echo(clock="2199-03-01T07:30:00Z")
def test_clock(echo, cloud):
    assert echo.say("what time is it").interaction.at.isoformat().startswith("2199-03-01T07:30:00")
    cloud.advance("PT1H")
    assert echo.say("what time is it").interaction.at.isoformat().startswith("2199-03-01T08:30:00")
    # What is no confirmation is none.
    echo._client.publish("echo/v1/kitchen/event/confirm", b"{}", qos=1).wait_for_publish()
    cloud.advance("PT1H")
    assert echo.say("what time is it").interaction.at.isoformat().startswith("2199-03-01T09:30:00")
""",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_of_two_times_the_later_one_is_enough() -> None:
    made = RemoteEcho(mqtt.Client(CallbackAPIVersion.VERSION2), "kitchen")
    first, last = (Clock(new_id(NOW + timedelta(seconds=late)), NOW) for late in (0, 1))
    made._keep("kitchen", "state", b'{"connection": "online"}')
    assert not made.knows_the_time(first.id)
    # The first was taken back before it was sent.
    made._keep("directive", "clock", encode(last))
    assert not made.knows_the_time(first.id)
    made._keep("event", "confirm", encode(Confirm([last.id])))
    assert made.knows_the_time(first.id)
    assert made.knows_the_time(last.id)


def test_an_error_is_waited_for_once_in_the_order_of_the_errors(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        test_errors="""
import pytest
from device.errors import EchoError

def test_errors(echo):
    echo.command("say", b'{"text": ')
    echo.command("dance")
    assert "'say' cannot be read" in echo.wait_for_error()["problem"]
    assert "'dance'" in echo.wait_for_error()["problem"]
    with pytest.raises(EchoError, match="in vain for: an error"):
        echo.wait_for_error(patience_s=0)
""",
    )
    assert done.returncode == 0, done.stdout + done.stderr
