"""The real sounddevice path: a spoken command played into a virtual microphone becomes the right interaction."""

import os
import sys
from pathlib import Path

import pytest

from device.spoken_requests import FOLDER
from tests import forked
from tests.processes import asked, cloud
from tests.real.virtual_microphone import virtual_microphone


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2)])
def test_a_command_spoken_into_the_microphone_becomes_the_right_interaction(
    tmp_path: Path, rate: int, channels: int
) -> None:
    data = tmp_path / "data"
    with virtual_microphone(tmp_path / "sound", rate, channels) as microphone, cloud(data) as server:
        run = [sys.executable, "-m", "device", "run", "--once", "--microphone", "pulse", "--broker", server.broker]
        with forked.Popen(
            [*run, "--data", str(data)],
            env=os.environ | microphone.environment,
            stdout=forked.PIPE,
            stderr=forked.PIPE,
            text=True,
        ) as device:
            assert device.stdout is not None
            assert any("listening on pulse" in line for line in device.stdout)
            microphone.play(FOLDER / "08_pizza.flac")
            _, errors = device.communicate(timeout=60)
        assert device.returncode == 0, errors
        (row,) = asked("history", "household", "--data", data)
    assert row["transcript"] == "order a large pepperoni pizza from dominos"
    assert row["recording"] > 1000
