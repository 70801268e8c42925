"""Obeys control commands that come by MQTT, and buttons.

Each is answered by the device's state, a bad one by an error before it.
"""

from itertools import islice
from math import ceil
from typing import TYPE_CHECKING

from cloud_stub.contract.control import (
    DoNotDisturb,
    Hear,
    Mute,
    PushToTalk,
    Say,
    Speak,
    Stop,
    Unmute,
    Volume,
    read_command,
)
from device.audio_source import BLOCK, LEAD_S, SAMPLE_RATE, TAIL_S, Block, Recording
from device.errors import EchoError
from device.panel import Button
from device.uplink import Control

if TYPE_CHECKING:
    from device.echo import Echo

LONGEST_S = 60
"""Seconds of sound that `hear` takes: a little FLAC can hold hours of silence."""

WAITING = 20
"""Sounds that may wait to be heard."""


def obey(echo: "Echo", message: Control) -> None:
    """Do what the message says, or say why not; then publish the state. Raises nothing."""
    try:
        _do(echo, message)
    except (EchoError, ValueError) as error:
        echo.complain(str(error))
    echo.publish()


def press(echo: "Echo", button: Button) -> None:
    """Do what a press of the button stands for at this moment; then publish the state. Raises nothing."""
    try:
        if button == "mute":
            echo.unmute() if echo.switches.now.muted else echo.mute()
        elif echo.sounding():
            echo.stop()
        else:
            echo.push_to_talk()
    except EchoError as error:
        echo.complain(str(error))
    echo.publish()


def _do(echo: "Echo", message: Control) -> None:
    if message.retained:
        topic = f"control/{message.command}"
        raise EchoError(f"a retained message on {topic} is ignored. Clear it: publish an empty one, retained.")
    match read_command(message.command, message.payload):
        case Hear(sound):
            _inject(echo, sound)
        case Say(text):
            if not text.strip():
                raise EchoError("say has no text. Send what is to be taken as heard.")
            echo.say(text.strip())
        case Speak(text):
            echo.speak(text)
        case PushToTalk():
            echo.push_to_talk()
        case Mute(on=True):
            echo.mute()
        case Unmute() | Mute():
            echo.unmute()
        case Stop():
            echo.stop()
        case Volume(level):
            echo.switches.set(volume=level)
        case DoNotDisturb(on):
            echo.switches.set(do_not_disturb=on)


def _inject(echo: "Echo", sound: bytes) -> None:
    if echo.switches.now.muted:
        raise EchoError("the device is muted and hears nothing. Unmute it first.")
    if len(echo.injected) >= WAITING:
        raise EchoError(f"{WAITING} sounds wait to be heard already. Send the next one when they are answered.")
    echo.injected.append(blocks(sound))


def blocks(sound: bytes) -> list[Block]:
    """What `hear` was sent, as 20 ms blocks of 16 kHz mono int16; EchoError where it is no sound of up to a minute."""
    if not sound:
        raise EchoError("hear has no sound. Send a WAV or FLAC file as the payload.")
    if not sound.startswith((b"RIFF", b"fLaC")):
        raise EchoError("the sound sent to hear is neither WAV nor FLAC. Send a file of one of these as the payload.")
    recording = Recording("the sound sent to hear", content=sound)
    if recording.seconds > LONGEST_S:
        raise EchoError(f"the sound lasts {recording.seconds:.0f} s. Send at most {LONGEST_S} s.")
    # Read to its end before any of it is heard: it may break off.
    return list(islice(recording, ceil((LEAD_S + LONGEST_S + TAIL_S) * SAMPLE_RATE / BLOCK)))
