"""Control by MQTT, through a real Mosquitto, of a device that has no microphone at all."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from device.errors import EchoError
from device.spoken_requests import FOLDER
from device.testing.processes import device as running
from device.testing.processes import embedded_broker
from device.testing.remote import RemoteEcho, remote
from tests.processes import asked, cloud, mosquitto, until
from tests.real.test_mosquitto import client_program


class House:
    """A broker, a cloud and a device that is controlled."""

    def __init__(self, broker: str, data: Path, person: RemoteEcho, device: "subprocess.Popen[str]") -> None:
        self.broker, self.data, self.person, self.device = broker, data, person, device


@contextlib.contextmanager
def lived_in(folder: Path) -> Iterator[House]:
    data = folder / "data"
    with (
        mosquitto(folder / "broker") as broker,
        cloud(data, broker=broker),
        remote(broker) as person,
        running(broker, data, "--microphone", "none", "--no-voice") as device,
    ):
        person.online()
        yield House(broker, data, person, device)


@pytest.fixture(scope="module")
def one_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with lived_in(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture
def house(one_house: House) -> House:
    """The same house for all of these tests, with nothing of the one before it to be seen."""
    until(lambda: one_house.person.attention() == "deaf", "the device to be at rest")
    one_house.person.errors.clear()
    one_house.person.interactions.clear()
    return one_house


def transcripts(house: House) -> list[str]:
    return [row["transcript"] for row in asked("history", "household", "--data", house.data)]


def test_a_file_published_to_hear_becomes_an_interaction_and_garbage_an_error(house: House) -> None:
    port, topic = house.broker.rsplit(":", 1)[1], "echo/v1/kitchen/control/hear"
    publish = [client_program("mosquitto_pub"), "-p", port, "-t", topic]
    (garbage := house.data / "garbage.flac").write_bytes(b"fLaC" + bytes(range(256)) * 20)
    subprocess.run([*publish, "-f", str(garbage)], check=True)
    until(lambda: house.person.errors, "an error event")
    subprocess.run([*publish, "-f", str(FOLDER / "08_pizza.flac")], check=True)
    until(lambda: house.person.interactions, "the interaction")
    until(lambda: "order a large pepperoni pizza from dominos" in transcripts(house), "the cloud to store it")
    (interaction,) = house.person.interactions
    assert (interaction["source"], interaction["wake_word"], interaction["has_recording"]) == (
        "injected",
        "alexa",
        True,
    )
    assert "not a sound file" in house.person.errors[0]["problem"]
    assert house.device.poll() is None, "it still runs"


def test_bad_commands_are_answered_by_an_error_and_the_state_and_nothing_ends(house: House, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.flac", np.zeros(61 * 16_000, np.int16), 16_000)
    soundfile.write(tmp_path / "hum.wav", np.full(16_000, 5, np.int16), 16_000)
    whole = (FOLDER / "08_pizza.flac").read_bytes()
    bad = {
        "lasts 61 s": ("hear", (tmp_path / "long.flac").read_bytes()),
        "breaks off": ("hear", whole[: len(whole) // 2]),
        "has no sound": ("hear", b""),
        "No 'alexa' was heard": ("hear", (tmp_path / "hum.wav").read_bytes()),
        "no control command 'dance'": ("dance", b""),
        "'say' cannot be read": ("say", b"what time is it"),
        "say has no text": ("say", b'{"text":"  "}'),
        "'volume' cannot be read": ("volume", b'{"level":1e9}'),
        "push_to_talk is of no use": ("push_to_talk", b""),
    }
    for number, (problem, (name, payload)) in enumerate(bad.items(), 1):
        already = len(house.person.states)
        house.person.command(name, payload)
        until(lambda number=number: len(house.person.errors) == number, f"an error for {problem}")
        assert problem in house.person.errors[-1]["problem"]
        until(lambda already=already: len(house.person.states) > already, f"the state for {problem}")
    house.person.command("volume", {"level": 7})  # the state after the last error may still be on its way
    until(lambda: house.person.states[-1]["volume"] == 7, "the volume asked for")
    assert house.device.poll() is None


def test_whoever_follows_a_device_sees_it_alone_on_the_embedded_broker_too(tmp_path: Path) -> None:
    with (
        embedded_broker() as broker,
        remote(broker, "kitchen") as kitchen,
        running(broker, tmp_path / "data", "--microphone", "none", "--no-voice"),
    ):
        kitchen.online()
        with remote(broker, "bedroom") as bedroom:  # subscribed now: what the broker kept has come before
            assert bedroom.states == []


def test_a_retained_command_is_ignored_and_said_so(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker, remote(broker) as person:
        person.command("mute", {"on": True}, retain=True)
        with running(broker, tmp_path / "data", "--microphone", "none", "--no-voice"):
            until(lambda: person.errors, "an error event")
            assert "retained message on control/mute is ignored" in person.errors[0]["problem"]
            assert not person.states[-1]["muted"]


def test_a_text_is_taken_as_heard_and_marked_as_injected_and_has_no_recording(house: House) -> None:
    house.person.ask("say", {"text": "Alexa remember that I am allergic to walnuts"})
    until(lambda: house.person.interactions, "the interaction")
    (interaction,) = house.person.interactions
    assert interaction["transcript"] == "remember that I am allergic to walnuts"
    assert (interaction["source"], interaction["has_recording"], interaction["words"]) == ("injected", False, [])


def test_mute_is_kept_over_a_restart_and_hears_nothing_until_unmuted(tmp_path: Path) -> None:
    with lived_in(tmp_path) as house:
        assert house.person.ask("mute")["muted"]
        until(lambda: house.person.attention() == "muted", "a red ring")
        house.device.kill()
        until(lambda: house.person.states[-1]["connection"] == "offline", "the last will")
        with running(house.broker, house.data, "--microphone", "none", "--no-voice"):
            house.person.online()
            assert house.person.attention() == "muted"
            with pytest.raises(EchoError, match="muted and hears nothing"):
                house.person.ask("hear", (FOLDER / "11_question.flac").read_bytes())
            assert not house.person.ask("unmute")["muted"]
            house.person.command("hear", (FOLDER / "11_question.flac").read_bytes())
            until(lambda: house.person.interactions, "the interaction")
        assert [each["transcript"] for each in house.person.interactions] == ["what time is it"]


def test_do_not_disturb_refuses_what_nobody_asked_for_and_still_answers(house: House) -> None:
    assert house.person.ask("do_not_disturb", {"on": True})["do_not_disturb"]
    with pytest.raises(EchoError, match="Switch it off first"):
        house.person.ask("speak", {"text": "dinner is ready"})
    house.person.ask("say", {"text": "what time is it"})
    already = len(house.person.states)
    until(lambda: "speaking" in [state["attention"] for state in house.person.states[already - 1 :]], "an answer")
    assert "dinner" not in json.dumps([house.person.errors, house.person.states])
    house.person.ask("do_not_disturb", {"on": False})
