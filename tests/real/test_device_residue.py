"""The residue search knows the device's copies: there by right, told to go, or gone."""

from pathlib import Path
from typing import Any

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.residue.judge import TOLD
from device import speech_models
from device.echo import Echo
from device.keeping import Bounds
from device.spoken_requests import FOLDER
from tests.processes import asked, cloud, echo_device, until


def on_the_device(data: Path) -> dict[str, Any]:
    (found,) = [place for place in asked("residue", "--data", data)["places"] if place["place"] == "devices/kitchen"]
    return dict(found)


def test_alerts_and_saved_sound_are_explained_by_their_records_and_told_to_go_with_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    sound = data / "devices" / "kitchen" / "sound"
    with cloud(data, "--policy", "erase-everything") as running:
        given = ["--broker", running.broker, "--data", data, "--save-audio", sound]
        done = echo_device("hear", FOLDER / "01_alarm.flac", *given)
        assert "not under retention" not in done.stdout
        model, address = speech_models.load(speech_models.locate(None)), BrokerAddress.parse(running.broker)
        echo = Echo("kitchen", data, address, model, bounds=Bounds(save_audio=sound))
        echo.uplink.connect(must=True)
        echo.say("remind me to water the blue flower pot on june fourteenth")
        echo.settle(30)
        until(lambda: echo.attend(0.1) or len(echo.keeping.alerts.all()) == 2, "both alerts")
        echo.close()
        before = on_the_device(data)
        asked("erase", "household", "--all", "--data", data)
        away = on_the_device(data)
        echo = Echo("kitchen", data, address, model, bounds=Bounds(save_audio=sound))
        echo.uplink.connect(must=True)
        until(lambda: echo.attend(0.1) or not asked("status", "--data", data)["untold"], "the device to forget")
        echo.close()
    where = {finding["where"] for finding in before["findings"]}
    assert {"saved sound", "devices/kitchen/alert.about"} <= where
    assert before["verdict"] == away["verdict"] == "residue explained"
    assert all("erase-everything rule" in finding["rule"] for finding in before["findings"])
    assert {finding["rule"] for finding in away["findings"]} == {TOLD}
    assert list(sound.iterdir()) == []
    assert b"flower pot" not in b"".join(file.read_bytes() for file in sound.parent.iterdir() if file.is_file())
