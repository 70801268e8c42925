"""A broker that is down, refuses us or is not who it should be, a full disk: said with the remedy, and lived with."""

import logging
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud_stub.certificates import Authority
from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import Directive
from device import speech_models
from device.connection import REFUSED_PAUSE_S
from device.echo import Echo
from device.errors import EchoError
from device.keeping import Bounds
from device.outbox import Outbox
from device.spoken_requests import FOLDER
from device.tls import Tls
from device.uplink import Uplink
from tests.device.test_outbox import said
from tests.processes import asked, cloud, cloud_stub, echo_device, free_port, missing, mosquitto, start_mosquitto, until

TIME = FOLDER / "01_alarm.flac"


def passwords(folder: Path, password: str) -> list[str]:
    """Mosquitto's settings for one user, kitchen, with that password."""
    program = shutil.which("mosquitto_passwd")
    if program is None:
        missing("mosquitto_passwd", "apt install mosquitto")
    folder.mkdir(exist_ok=True)
    file = folder / "passwords"
    subprocess.run([str(program), "-c", "-b", str(file), "kitchen", password], check=True, capture_output=True)
    return ["allow_anonymous false", f"password_file {file}"]


def complaint(done: "subprocess.CompletedProcess[str]") -> str:
    """The one or two lines of a command that could not go on."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert 1 <= done.stderr.count("\n") <= 2, done.stderr
    return done.stderr


def test_broker_down_says_how_to_start_one(tmp_path: Path) -> None:
    port = free_port()
    text = complaint(echo_device("hear", TIME, "--broker", f"mqtt://127.0.0.1:{port}", "--data", tmp_path))
    assert f"no MQTT broker at mqtt://127.0.0.1:{port}: [Errno 111] Connection refused." in text
    assert f"Start one (mosquitto -p {port})" in text


@pytest.mark.parametrize("command", [["hear", TIME], ["run", "--microphone", "none"]])
def test_wrong_password_says_so_and_never_what_it_was(tmp_path: Path, command: list[str]) -> None:
    with mosquitto(tmp_path / "broker", None, *passwords(tmp_path / "broker", "right")) as broker:
        wrong = broker.replace("://", "://kitchen:wrong-one@")
        text = complaint(echo_device(*command, "--broker", wrong, "--data", tmp_path / "data"))
    assert "refuses us: Not authorized. Check the user and password in --broker" in text
    assert "wrong-one" not in text


@contextmanager
def tls_broker(folder: Path, *lines: str) -> Iterator[tuple[str, Authority]]:
    ours = Authority(folder, "ours")
    pair = ours.sign("broker")
    secure = [f"cafile {ours.file}", f"certfile {pair.certificate}", f"keyfile {pair.key}", "allow_anonymous true"]
    with mosquitto(folder, None, *secure, *lines) as broker:
        yield broker.replace("mqtt://", "mqtts://"), ours


def test_wrong_ca_says_which_certificate_to_give(tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "other", "stranger")
    with tls_broker(tmp_path / "broker") as (broker, ours):
        wrong = ["--broker", broker, "--data", tmp_path / "data", "--ca-file", stranger.file]
        text = complaint(echo_device("run", "--microphone", "none", *wrong))
        assert "does not prove who it is: " in text
        assert "Give the certificate of the authority" in text
        assert "--ca-file" in text
        outbox = Outbox(tmp_path)
        uplink = Uplink("kitchen", BrokerAddress.parse(broker), outbox, Tls(ca_file=ours.file))
        uplink.connect(must=True)
        uplink.close()
        outbox.close()


def test_cloud_and_device_trust_an_authority_of_ones_own_by_option_and_by_environment(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with tls_broker(tmp_path / "broker") as (broker, ours):
        option, environment = ("--ca-file", ours.file), {"RESIDUAL_ECHO_CA_FILE": str(ours.file)}
        address, folder = ("--broker", broker), ("--data", data)
        with cloud(data, *map(str, option), broker=broker):
            assert echo_device("hear", TIME, *address, *option, *folder).returncode == 0
            for command in (["replay", "walnut", "--fast"], ["fleet", "--devices", "1", "--interactions", "1"]):
                for how, given in ((option, {}), ((), environment)):
                    done = echo_device(*command, *address, *how, **given)
                    assert done.returncode == 0, done.stderr
            until(lambda: asked("status", *folder)["interactions"] > 2, "what was replayed")
            places = asked("residue", *folder, *address, *option)["places"]
        assert "broker/retained messages" in {place["place"] for place in places}
        for command in ("serve", "residue"):
            text = complaint(cloud_stub(command, *folder, *address))
            assert "does not prove who it is: " in text
            assert "Give the certificate of the authority that signed its own with --ca-file" in text


def test_a_file_that_is_no_authoritys_is_named_by_the_cloud_too(tmp_path: Path) -> None:
    given = ("--data", tmp_path, "--broker")
    for command in ("serve", "residue"):
        for broker, file, says in (
            ("mqtts://127.0.0.1:9", "/none.pem", "there is no file /none.pem"),
            ("mqtts://127.0.0.1:9", __file__, "is no certificate of an authority"),
            ("mqtt://127.0.0.1:9", __file__, "is without TLS. Write mqtts://127.0.0.1"),
        ):
            assert says in complaint(cloud_stub(command, *given, broker, "--ca-file", file))
    idle = ("--data", tmp_path, "--ca-file", __file__)
    assert "without TLS. Leave it out" in complaint(cloud_stub("serve", "--embedded-broker", "--port", "0", *idle))
    assert "without --broker" in complaint(cloud_stub("residue", "--phrase", "three or more words", *idle))
    (tmp_path / "address").write_bytes(b"mqtt://\xff")
    assert "address cannot be read" in complaint(cloud_stub("serve", *given, f"@{tmp_path / 'address'}"))


def test_a_broker_that_wants_a_certificate_takes_ours_and_says_so_without(tmp_path: Path) -> None:
    with tls_broker(tmp_path / "broker", "require_certificate true") as (broker, ours):
        pair = ours.sign("kitchen")
        outbox, address = Outbox(tmp_path), BrokerAddress.parse(broker)
        known = Uplink("kitchen", address, outbox, Tls(ours.file, pair.certificate, pair.key))
        known.connect(must=True)
        known.close()
        unknown = Uplink("kitchen", address, outbox, Tls(ours.file))
        with pytest.raises(EchoError, match="does it want a --certificate"):
            unknown.connect(must=True)
        outbox.close()


@pytest.mark.parametrize(
    ("tls", "text"),
    [
        (Tls(ca_file=Path("/none.pem")), "there is no file /none.pem"),
        (Tls(certificate=Path(__file__)), "--certificate is given without --key"),
        (Tls(ca_file=Path(__file__)), "is no certificate of an authority"),
        (Tls(certificate=Path(__file__), key=Path(__file__)), "are no certificate and its key"),
    ],
)
def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path, tls: Tls, text: str) -> None:
    outbox = Outbox(tmp_path)
    with pytest.raises(EchoError, match=text):
        Uplink("kitchen", BrokerAddress.parse("mqtts://127.0.0.1"), outbox, tls)
    with pytest.raises(EchoError, match=r"without TLS\. Write mqtts"):
        Uplink("kitchen", BrokerAddress.parse("mqtt://127.0.0.1"), outbox, tls)
    outbox.close()


def test_a_port_without_tls_is_told_from_a_certificate_that_is_wrong(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker:
        secure = broker.replace("mqtt", "mqtts", 1)
        text = complaint(echo_device("hear", TIME, "--broker", secure, "--data", tmp_path / "data"))
    assert "Is that port one for TLS?" in text


def test_a_password_that_is_changed_in_mid_run_is_said_once_and_not_tried_again_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "device")
    folder, port = tmp_path / "broker", free_port()
    before = start_mosquitto(folder, port, *passwords(folder, "right"))
    outbox = Outbox(tmp_path)
    uplink = Uplink("kitchen", BrokerAddress.parse(f"mqtt://kitchen:right@127.0.0.1:{port}"), outbox)
    try:
        uplink.connect(must=True)
        before.kill()
        before.wait()
        until(lambda: "offline: " in caplog.text, "the device to notice that the broker is gone")
        after = start_mosquitto(folder, port, *passwords(folder, "another"))
        until(lambda: uplink._connection.refused, "the broker to refuse the old password")
        outbox.put(said(), None)
        uplink.pump(lambda _: None)
        assert len(outbox) == 1, "the device goes on"
        assert uplink._client._reconnect_min_delay >= REFUSED_PAUSE_S / 2
        after.kill()
        after.wait()
    finally:
        before.kill()
        uplink.close()
        outbox.close()
    said_so = [record.getMessage() for record in caplog.records]
    assert len([text for text in said_so if "Check the user and password" in text]) == 1
    assert len(said_so) == 2, said_so
    assert "right" not in caplog.text


def test_only_changes_are_said_however_long_a_broker_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "device")
    folder, port = tmp_path / "broker", free_port()
    outbox = Outbox(tmp_path)
    uplink = Uplink("kitchen", BrokerAddress.parse(f"mqtt://127.0.0.1:{port}"), outbox)
    tried = []
    failed = uplink._client.on_connect_fail
    uplink._client.on_connect_fail = lambda *given: (tried.append(1), failed(*given))
    uplink._connection._pause(0.1, 0.1)
    try:
        uplink.connect(must=False)
        until(lambda: len(tried) >= 5, "five attempts in vain")
        broker = start_mosquitto(folder, port)
        until(lambda: "again" in caplog.text, "the device to be back")
        broker.kill()
        broker.wait()
    finally:
        uplink.close()
        outbox.close()
    first, *_ = [record.getMessage() for record in caplog.records]
    assert "Until then what is heard waits in the outbox." in first
    assert len([text for text in caplog.messages if "no MQTT broker" in text]) == 1
    assert len([text for text in caplog.messages if "online at" in text]) == 1


@contextmanager
def no_file_may_grow(beyond: int) -> Iterator[None]:
    """A disk that is full, for this process, without a right to mount one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_said_and_the_device_goes_on(tmp_path: Path) -> None:
    told: list[str] = []
    with mosquitto(tmp_path / "broker") as broker:
        model = speech_models.load(speech_models.locate(None))
        data = tmp_path / "data"
        echo = Echo("kitchen", data, BrokerAddress.parse(broker), model, tell=told.append)
        echo.uplink.connect(must=True)
        with no_file_may_grow(0):
            echo.say("what time is it")
        assert list(echo.exchanges) == [], "what could not be kept is not shown as heard"
        assert len(told) == 1
        assert told[0].startswith("the outbox cannot take what was heard: ")
        assert told[0].endswith("Free some disk space; it was not sent.")
        with cloud(data, broker=broker):
            echo.say("what day is it")
            with no_file_may_grow(0):
                until(lambda: echo.attend(0.1) or echo.exchanges[0].answer, "the answer while nothing can be written")
            assert len(echo.outbox) == 1, "not forgotten, so it is sent and answered again"
            echo.settle(30)
            echo.close()
            assert [row["transcript"] for row in asked("history", "household", "--data", data)] == ["what day is it"]


def test_a_disk_that_is_full_from_the_start_is_said_by_the_command(tmp_path: Path) -> None:
    starve = (
        "import resource, runpy, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "runpy.run_module('device', run_name='__main__')"
    )
    command = [sys.executable, "-c", starve, "hear", str(TIME), "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "the outbox in" in complaint(done)
    assert "cannot be opened: " in done.stderr


def test_a_device_says_how_many_interactions_it_lost_once_somebody_listens(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path, most_bytes=4_000)
    for _ in range(5):
        outbox.put(said(), bytes(1_000))
    lost = len(outbox.drop(said().at))
    with mosquitto(tmp_path / "broker") as broker:
        listener = subprocess.Popen(
            [
                "mosquitto_sub",
                "-p",
                broker.rsplit(":", 1)[1],
                "-t",
                "echo/v1/+/event/error",
                "-C",
                "1",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        uplink = Uplink("kitchen", BrokerAddress.parse(broker), outbox)
        uplink.connect(must=True)
        acted: list[Directive] = []

        def heard() -> bool:
            outbox.told(-lost if outbox.untold() == 0 else 0)
            uplink.pump(acted.append)
            return listener.poll() is not None

        until(heard, "the error event")
        text, _ = listener.communicate(timeout=30)
        uplink.close()
    assert f"{lost} interaction(s) waited too long" in text
    assert "outbox_bytes" in text
    outbox.close()


def test_sound_is_saved_where_it_was_asked_for_and_said(tmp_path: Path) -> None:
    with cloud(tmp_path / "data") as running:
        given = ["--broker", running.broker, "--data", tmp_path / "data", "--save-audio", tmp_path / "sound"]
        done = echo_device("hear", TIME, *given)
        assert done.returncode == 0, done.stderr
        assert f"saving the sound of every request in {tmp_path / 'sound'}, not under retention" in done.stdout
        (row,) = asked("history", "household", "--data", tmp_path / "data")
        assert [file.name for file in (tmp_path / "sound").iterdir()] == [f"{row['id']}.flac"]
        asked("erase", "household", "--all", "--data", tmp_path / "data")
        model = speech_models.load(speech_models.locate(None))
        bounds = Bounds(save_audio=tmp_path / "sound")
        echo = Echo("kitchen", tmp_path / "data", BrokerAddress.parse(running.broker), model, bounds=bounds)
        echo.uplink.connect(must=True)
        until(lambda: echo.attend(0.1) or not list((tmp_path / "sound").iterdir()), "the deletion to reach the device")
        echo.close()
