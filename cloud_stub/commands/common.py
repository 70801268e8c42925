"""What every command needs: the data folder, opened, and JSON on standard output."""

import argparse
import json
from contextlib import AbstractContextManager
from pathlib import Path

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


def print_json(value: object) -> None:
    """One JSON value, for a program to read."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
