"""The libraries that drive pins, imported when one is to be driven, and what to do where one is missing."""

import warnings
from typing import Any

from cloud_stub.contract.extras import install
from device.errors import EchoError

IN_ENVIRONMENT = "in an environment made by python3 -m venv --system-site-packages"


def gpiozero() -> Any:
    """gpiozero, with pins that it can drive. Raises EchoError where it is missing, or this machine has none."""
    try:
        import gpiozero  # noqa: PLC0415
    except ImportError as error:
        raise EchoError(
            f"gpiozero is not installed, which drives the panel's pins. Run: {install('hardware')}"
        ) from error
    if gpiozero.Device.pin_factory is None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # one for each library that it tries, and we say one thing about all
                gpiozero.Device.ensure_pin_factory()
        except Exception as error:  # BadPinFactory, or whatever the library that it tries raises
            raise EchoError(
                "No GPIO pins can be driven here: this is no Raspberry Pi, its user is not in the group gpio, or lgpio "
                f"is missing. On a Raspberry Pi run: sudo apt install python3-lgpio, {IN_ENVIRONMENT}"
            ) from error
    return gpiozero


def spidev() -> Any:
    """The spidev module. Raises EchoError where it is missing."""
    try:
        import spidev  # noqa: PLC0415
    except ImportError as error:
        raise EchoError(
            "spidev is not installed, which drives the light ring, and has no wheel. Run: sudo apt install "
            f"python3-spidev, {IN_ENVIRONMENT}"
        ) from error
    return spidev
