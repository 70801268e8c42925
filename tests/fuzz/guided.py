"""The process that libFuzzer drives: python -m tests.fuzz.guided TARGET -max_total_time=60 CORPUS... See run.py."""

import logging
import sys
from collections.abc import Callable

import atheris

#: Whose branches guide the fuzzer: the decoders', ours and those of Python that they call. To instrument more would
#: lead it elsewhere, and takes long; only what ingest takes goes everywhere.
DECODERS = [
    *("cloud_stub.contract", "cloud_stub.recordings", "cloud_stub.cli", "cloud_stub.commands.look"),
    *("cloud_stub.retention.policy", "cloud_stub.retention.checker", "cloud_stub.retention.rules"),
    *("cloud_stub.retention.receipt", "cloud_stub.stores.backups", "cloud_stub.third_parties"),
    *("device.control", "device.audio_source", "device.settings", "device.switches", "device.alerts", "device.keeping"),
    *("device.uplink", "device.official_models", "device.commands.contract", "device.model_building.recipe"),
    *("device.model_building.recordings", "tomllib", "isodate", "csv"),
]
EVERYWHERE = ["cloud_stub", "hassil"]


def broken(given: bytes) -> float:
    """No decoder: so that a test can see a crash reported."""
    return 1 / (b"!" not in given)


def decoder(name: str) -> Callable[[bytes], object]:
    """What takes the bytes, and raises for a crash alone."""
    if name == "broken":
        return broken
    with atheris.instrument_imports(include=EVERYWHERE if name == "ingest" else DECODERS):
        from tests.fuzz.targets import TARGETS
    return TARGETS[name].takes


def main() -> None:
    """Does not return: libFuzzer ends the process."""
    name, *options = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    takes = decoder(name)

    def one(given: bytes) -> None:
        takes(given)

    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
