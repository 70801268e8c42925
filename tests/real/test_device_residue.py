"""The residue search knows the device's copies: there by right, told to go, or gone."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.residue.judge import TOLD
from device import speech_models
from device.echo import Echo
from device.keeping import Bounds
from device.spoken_requests import FOLDER
from tests.cloud_stub.house import reminders_without_words
from tests.processes import asked, cloud, cloud_stub, echo_device, until


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


def test_words_that_a_rule_takes_out_of_a_reminder_leave_the_device_and_it_still_rings(tmp_path: Path) -> None:
    data, mine = tmp_path / "data", tmp_path / "mine.toml"
    mine.write_text(reminders_without_words())

    def device() -> Echo:
        echo = Echo("kitchen", data, BrokerAddress.parse(running.broker), model)
        echo.uplink.connect(must=True)
        return echo

    model = speech_models.load(speech_models.locate())
    with cloud(data, "--policy", str(mine)) as running:
        with closing(device()) as echo:
            echo.say("remind me to water the blue flower pot on june fourteenth")
            echo.settle(30)
            until(lambda: echo.attend(0.1) or echo.keeping.alerts.all(), "the alert")
        asked("erase", "household", "--all", "--data", data)
        away = on_the_device(data)
        with closing(device()) as echo:
            until(lambda: echo.attend(0.1) or not asked("status", "--data", data)["untold"], "the device to forget")
            (alert,) = echo.keeping.alerts.all()
        back = on_the_device(data)
    assert {finding["rule"] for finding in away["findings"]} == {TOLD}
    assert {finding["where"] for finding in away["findings"]} == {"devices/kitchen/alert.about"}
    assert (alert.kind, alert.about) == ("reminder", "")
    assert back["verdict"] == "clean"


def test_words_that_a_device_was_never_told_to_forget_are_unexplained(tmp_path: Path) -> None:
    data, mine = tmp_path / "data", tmp_path / "mine.toml"
    mine.write_text(reminders_without_words())
    with cloud(data, "--policy", str(mine)) as running:
        echo_device("hear", FOLDER / "02_reminder.flac", "--broker", running.broker, "--data", data)
        until(lambda: asked("status", "--data", data)["outgoing"] == 0, "the device to have the alert")
        asked("erase", "household", "--all", "--data", data)
    with closing(sqlite3.connect(data / "cloud" / "operations.db")) as database, database:
        assert database.execute("DELETE FROM directive WHERE purpose = 'forget'").rowcount
    done = cloud_stub("residue", "--data", data, "--json")
    assert done.returncode == 1
    (place,) = [each for each in json.loads(done.stdout)["places"] if each["place"] == "devices/kitchen"]
    assert place["verdict"] == "residue UNEXPLAINED"
    assert "devices/kitchen/alert.about" in {each["where"] for each in place["findings"] if not each["explained"]}


def test_a_device_with_a_folder_of_its_own_is_searched_where_it_is_named(tmp_path: Path) -> None:
    data, own = tmp_path / "data", tmp_path / "own"
    with cloud(data, "--policy", "erase-everything") as running:
        echo_device("hear", FOLDER / "02_reminder.flac", "--broker", running.broker, "--data", own)
        asked("erase", "household", "--all", "--data", data)
        blind, seeing = (asked("residue", "--data", data, *options) for options in ([], ["--devices", own]))
        again = asked("residue", "--data", data, "--devices", own)
    assert any("may keep" in limit and "kitchen" in limit for limit in blind["limits"])
    assert not any("kitchen" in limit for limit in seeing["limits"])
    assert "devices/kitchen" not in {place["place"] for place in blind["places"]}
    (found,) = [place for place in seeing["places"] if place["place"] == "devices/kitchen"]
    # The reminder, which the device has not yet been told to erase; so nothing is proved to be gone, and forgotten.
    assert found["verdict"] == "residue explained"
    assert any(str(own) in finding["file"] for finding in found["findings"])
    assert again == seeing


def test_only_a_devices_own_files_count_as_searched_and_what_cannot_be_read_proves_nothing(tmp_path: Path) -> None:
    data, own = tmp_path / "data", tmp_path / "own"
    with cloud(data, "--policy", "erase-everything") as running:
        for device, account in (("attic", "others"), ("kitchen", "household")):
            assert cloud_stub("register", device, "--account", account, "--data", data).returncode == 0
        echo_device("hear", FOLDER / "02_reminder.flac", "--broker", running.broker, "--data", own)
        asked("erase", "household", "--all", "--data", data)
    stray = tmp_path / "stray"
    for file in (stray / "kitchen" / "x", stray / "devices" / "x", data / "kitchen" / "x"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    limits = asked("residue", "--data", data, "--devices", stray)["limits"]
    assert any("kitchen" in limit for limit in limits)
    assert not any("attic" in limit for limit in limits), "another account's is no business of theirs"
    assert any(
        "attic, kitchen" in limit for limit in asked("residue", "--phrase", "one two three", "--data", data)["limits"]
    )
    for bad in (tmp_path / "nothing", own / "devices", data / "cloud" / "primary.db"):
        done = cloud_stub("residue", "--data", data, "--devices", bad)
        assert (done.returncode, done.stderr.count("\n"), "Traceback" in done.stderr) == (2, 1, False), done.stderr
    twice = asked("residue", "--data", data, "--devices", own, "--devices", f"{own}/../own")
    assert twice == asked("residue", "--data", data, "--devices", own)
