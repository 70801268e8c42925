"""What every command needs: the data folder, opened, the time zone, and JSON on standard output."""

import argparse
import json
from contextlib import AbstractContextManager
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import tzlocal

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.tls import with_authority
from cloud_stub.errors import CloudError
from cloud_stub.house import House, open_house


def data_folder(options: argparse.Namespace) -> Path:
    """`--data`, or the user's own data folder."""
    if options.data is not None:
        return Path(options.data)
    import platformdirs  # noqa: PLC0415 - only where it is asked

    return platformdirs.user_data_path("residual-echo", appauthor=False)


def opened(options: argparse.Namespace, **how: bool) -> AbstractContextManager[House]:
    """The data folder's house, as `--data`, `--policy` and `--store` say; `how` as for open_house."""
    return open_house(data_folder(options), options.policy, store=options.store, **how)


def time_zone(options: argparse.Namespace) -> ZoneInfo:
    """`--time-zone`, or the system's. Raises CloudError where there is none of that name."""
    name = options.time_zone
    try:
        return ZoneInfo(name or tzlocal.get_localzone_name() or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CloudError(f"no time zone {name!r}. Give one like Europe/Berlin with --time-zone.") from error


def broker_address(options: argparse.Namespace) -> BrokerAddress:
    """`--broker`, the address or @FILE that has it, with `--ca-file`. Raises CloudError where that is none.

    A password on a command line is there for every user of the machine to see.
    """
    url: str = options.broker
    try:
        if url.startswith("@"):
            url = Path(url[1:]).read_text("utf-8").strip()
        return with_authority(BrokerAddress.parse(url), options.ca_file)
    except (OSError, UnicodeDecodeError) as error:
        raise CloudError(f"{url[1:]} cannot be read: {error}. Name a file with a broker's address.") from error
    except ValueError as error:
        raise CloudError(str(error)) from error


def print_json(value: object) -> None:
    """One JSON value, for a program to read."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
