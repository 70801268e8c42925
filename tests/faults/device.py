"""A device at work that a test kills: python -m tests.faults.device DATA BROKER FROM TO

Takes requests number FROM to TO as if they were heard; prints each one's number and id as soon as it is shown as heard,
and "settled" when the cloud has answered all that waits.
"""

import sys
from pathlib import Path

from cloud_stub.contract.address import BrokerAddress
from device import speech_models
from device.echo import Echo


def words(number: int) -> str:
    """A request that leaves a record of its own, by which it is known wherever it is stored."""
    return f"remember that my locker code is zebra{number}"


def main(data: Path, broker: str, first: int, last: int) -> None:
    model = speech_models.load(speech_models.locate(None))
    echo = Echo("kitchen", data, BrokerAddress.parse(broker), model)
    echo.uplink.connect(must=False)
    for number in range(first, last + 1):
        echo.say(words(number))
        print(number, echo.exchanges[-1].interaction.id, flush=True)
        echo.attend(0.02)
    echo.settle(60)
    print("settled", flush=True)
    echo.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
