"""One file, the environment over it, the command line over both; what is wrong is named with what was expected."""

import json
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from cloud_stub.contract.address import BrokerAddress
from device import settings
from device.errors import EchoError
from tests.processes import echo_device


def load(file: Path, text: str = "", environment: dict[str, str] | None = None, **line: object) -> settings.Settings:
    file.write_text(text)
    return settings.load(file, environment or {}, line)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "device.toml"


def test_without_any_the_defaults_hold(file: Path) -> None:
    found = load(file)
    assert (found.device, found.wake_word, found.voice, found.home_assistant) == ("kitchen", "alexa", True, False)
    assert found.broker == BrokerAddress("127.0.0.1", 1883)
    assert (found.outbox_age, found.outbox_bytes, found.save_audio) == (timedelta(days=30), 200_000_000, None)
    assert set(found.sources.values()) == {"default"}


def test_each_source_goes_over_the_one_before_and_is_named(file: Path) -> None:
    text = 'device = "hall"\nwake_word = "computer"\noutbox_age = "P2DT3H"\nvolume = 30'
    environment = {"RESIDUAL_ECHO_WAKE_WORD": "echo", "RESIDUAL_ECHO_VOLUME": "40", "RESIDUAL_ECHO_OTHER": "x"}
    found = load(file, text, environment, volume="70", model=None)
    assert (found.device, found.wake_word, found.volume, found.outbox_age) == (
        "hall",
        "echo",
        70,
        timedelta(days=2, hours=3),
    )
    assert found.sources["device"] == str(file)
    assert found.sources["wake_word"] == "RESIDUAL_ECHO_WAKE_WORD"
    assert found.sources["volume"] == "--volume"
    assert found.sources["model"] == "default"


def test_the_environment_names_the_file(file: Path) -> None:
    file.write_text('device = "attic"')
    assert settings.load(None, {"RESIDUAL_ECHO_CONFIG": str(file)}, {}).device == "attic"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('device = "Kitchen 1"', "device is 'Kitchen 1'. Expected lower-case letters"),
        ('broker = "http://here"', "broker is 'http://here'. Expected mqtt://"),
        ("volume = 101", "volume is 101. Expected a whole number from 0 to 100"),
        ("volume = true", "volume is True. Expected a whole number"),
        ('outbox_age = "30 days"', "outbox_age is '30 days'. Expected an ISO 8601 period"),
        ('outbox_age = "P"', "outbox_age is 'P'. Expected an ISO 8601 period"),
        ("outbox_bytes = 5", "outbox_bytes is 5. Expected a whole number from 4000000"),
        ("voice = 2", "voice is 2. Expected true or false"),
        ("wake_word = 7", "wake_word is 7. Expected a text"),
        ("ca_file = 7", "ca_file is 7. Expected a path"),
        ('log_level = "loud"', "log_level is 'loud'. Expected one of debug, info, warning, error"),
        ('speed = "fast"', "there is no setting 'speed'. There are: device, broker"),
        ("device =", "is no TOML: "),
    ],
)
def test_what_is_wrong_names_the_file_the_key_the_value_and_what_was_expected(
    file: Path, text: str, complaint: str
) -> None:
    with pytest.raises(EchoError) as refused:
        load(file, text)
    assert str(file) in str(refused.value)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_wrong_in_the_environment_or_on_the_command_line_names_it(file: Path) -> None:
    with pytest.raises(EchoError, match=r"^RESIDUAL_ECHO_VOICE is 'maybe'\. Expected true or false\.$"):
        load(file, "", {"RESIDUAL_ECHO_VOICE": "maybe"})
    with pytest.raises(EchoError, match=r"^--outbox-age is '1'\. Expected"):
        load(file, "", outbox_age="1")


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(EchoError, match=r"there is no settings file .* echo-device settings --init"):
        settings.load(tmp_path / "none.toml", {}, {})


def test_the_file_that_is_written_has_every_setting_and_changes_nothing(file: Path) -> None:
    settings.create(file)
    assert settings.load(file, {}, {}) == settings.Settings()
    lines = file.read_text().splitlines()
    active = "\n".join(line.removeprefix("# ") for line in lines if line.startswith("# ") and " = " in line)
    assert set(tomllib.loads(active)) == set(settings.OPTIONS)
    file.write_text(active)
    settings.load(file, {}, {})
    with pytest.raises(EchoError, match="is there already"):
        settings.create(file)


@pytest.mark.parametrize("text", ["P30D", "PT12H", "P1DT2H3M", "PT5M"])
def test_a_period_is_written_as_it_was_read(file: Path, text: str) -> None:
    assert settings.written("outbox_age", load(file, f'outbox_age = "{text}"').outbox_age) == text


def test_a_password_is_never_printed(tmp_path: Path) -> None:
    file = tmp_path / "device.toml"
    file.write_text('broker = "mqtts://anna:geheim@broker.lan"')
    for extra in ([], ["--json"]):
        done = echo_device("settings", "--config", file, *extra)
        assert done.returncode == 0
        assert "mqtts://anna:***@broker.lan:8883" in done.stdout
        assert "geheim" not in done.stdout + done.stderr
    file.write_text('broker = "mqt://anna:geheim@broker.lan"')
    done = echo_device("settings", "--config", file)
    assert done.returncode == 2
    assert "geheim" not in done.stdout + done.stderr
    done = echo_device("hear", "nothing.flac", "--broker", "anna:geheim@broker.lan")
    assert "geheim" not in done.stdout + done.stderr


def test_the_effective_settings_are_printed_with_their_source(tmp_path: Path) -> None:
    file = tmp_path / "device.toml"
    file.write_text("home_assistant = true")
    done = echo_device("settings", "--config", file, "--device", "hall", "--json", RESIDUAL_ECHO_VOLUME="20")
    shown = json.loads(done.stdout)
    assert set(shown) == set(settings.OPTIONS)
    assert shown["home_assistant"] == {"value": True, "source": str(file)}
    assert shown["device"] == {"value": "hall", "source": "--device"}
    assert shown["volume"] == {"value": 20, "source": "RESIDUAL_ECHO_VOLUME"}
    assert shown["wake_word"] == {"value": "alexa", "source": "default"}
