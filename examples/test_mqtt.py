"""What crosses the wire: control commands, the device's state, and a client of your own beside it."""

import json

import pytest
from paho.mqtt import publish, subscribe

from device.testing.processes import until


def test_a_mute_switch_shows_in_the_retained_state(echo, mqtt_broker):
    publish.single("echo/v1/kitchen/control/mute", hostname=mqtt_broker.host, port=mqtt_broker.port, qos=1)
    until(lambda: echo.attention() == "muted", "the light ring to turn red")

    message = subscribe.simple("echo/v1/kitchen/state", hostname=mqtt_broker.host, port=mqtt_broker.port)

    assert json.loads(message.payload)["muted"] is True


def test_a_command_that_is_no_good_is_answered_by_an_error(echo):
    echo.command("volume", {"level": 200})

    assert "volume" in echo.wait_for_error()["problem"]


@pytest.mark.echo(clock="simulated")
def test_an_alarm_rings_when_its_time_has_come(echo, cloud):
    echo.say("set an alarm for seven a m")

    cloud.advance("P1D")

    until(lambda: echo.attention() == "alerting", "the alarm to ring")
