"""What every command needs: the data folder, and JSON on standard output."""

import argparse
import json
from pathlib import Path


def data_folder(options: argparse.Namespace) -> Path:
    """`--data`, or the user's own data folder."""
    if options.data is not None:
        return Path(options.data)
    import platformdirs  # noqa: PLC0415 - only where it is asked

    return platformdirs.user_data_path("residual-echo", appauthor=False)


def print_json(value: object) -> None:
    """One JSON value, for a program to read."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
