"""An alarm that was set by voice rings on the device: offline, after a restart, and after its recording was deleted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import Attention
from device import speech_models
from device.echo import Echo
from tests.processes import asked, cloud, until

ALARM = "set a recurring alarm for seven a m"


class Room:
    """What a person in the room sees of a device."""

    def __init__(self, data: Path, broker: str, *, online: bool = True) -> None:
        self.told: list[str] = []
        self.shown: list[Attention] = []
        model = speech_models.load(speech_models.locate(None))
        self.echo = Echo(
            "kitchen", data, BrokerAddress.parse(broker), model, show=self.shown.append, tell=self.told.append
        )
        if online:
            self.echo.uplink.connect(must=True)

    def ask(self, text: str) -> str:
        self.echo.say(text)
        self.echo.settle(30)
        return self.echo.exchanges[-1].answer

    def rung(self) -> list[str]:
        return [line for line in self.told if line.startswith("ring ")]

    def wait_until_it_rings(self) -> None:
        until(lambda: self.echo.attend(0.1) or self.rung(), "the alarm")


@contextmanager
def room(data: Path, broker: str, *, online: bool = True) -> Iterator[Room]:
    here = Room(data, broker, online=online)
    try:
        yield here
    finally:
        here.echo.close()


def test_deleting_the_recording_does_not_stop_the_alarm_which_rings_until_it_is_told_to_stop(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with cloud(data, "--simulated-clock", "--time-zone", "Europe/Berlin") as running:
        with room(data, running.broker) as here:
            assert here.ask(ALARM) == "stored"
            until(lambda: here.echo.attend(0.1) or here.echo.keeping.alerts.all(), "the alarm on the device")
        asked("erase", "household", "--all", "--data", data)
        assert asked("history", "household", "--data", data) == []
        with room(data, running.broker) as here:
            asked("advance", "P1D", "--data", data)
            here.wait_until_it_rings()
            assert here.rung() == ["ring    alarm, due 07:00. Say 'stop' to stop it."]
            assert here.shown[-1] == "alerting"
            here.echo.say("stop")
            here.echo.settle(30)
            assert here.shown[-1] == "idle"
            assert len(here.rung()) == 1
            # It is a recurring one, and the next day it is there again.
            asked("advance", "P1D", "--data", data)
            until(lambda: here.echo.attend(0.1) or len(here.rung()) == 2, "the alarm of the next day")
        # Offline, after a restart: nobody has stopped it.
        with room(data, running.broker, online=False) as here:
            (kept,) = here.echo.keeping.alerts.all()
            here.echo.keeping.clock.forward(kept.due)
            here.wait_until_it_rings()
            here.echo.stop()
            assert here.shown[-1] == "idle"


def test_where_the_rule_erases_the_alarm_it_does_not_ring(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with (
        cloud(data, "--simulated-clock", "--policy", "erase-everything") as running,
        room(data, running.broker) as here,
    ):
        assert here.ask(ALARM) == "stored"
        until(lambda: here.echo.attend(0.1) or here.echo.keeping.alerts.all(), "the alarm on the device")
        asked("erase", "household", "--all", "--data", data)
        until(lambda: here.echo.attend(0.1) or not here.echo.keeping.alerts.all(), "the device to forget the alarm")
        asked("advance", "P2D", "--data", data)
        until(lambda: here.echo.attend(0.1) or asked("status", "--data", data)["untold"] == 0, "the time to arrive")
        here.echo.attend(0.1)
        assert here.rung() == []
