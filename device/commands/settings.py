"""The settings command: what holds and where it comes from, or a file to start from."""

import argparse
import json

from device import settings


def show(options: argparse.Namespace) -> int:
    """Print every setting with its source; with `--init` write a commented file instead."""
    if options.init:
        file = options.config or settings.default_file()
        settings.create(file)
        print(f"written: {file}")
        return 0
    chosen = settings.chosen(options)
    rows = {key: (settings.written(key, getattr(chosen, key)), chosen.sources[key]) for key in settings.OPTIONS}
    if options.json:
        shown = {key: {"value": value, "source": source} for key, (value, source) in rows.items()}
        print(json.dumps(shown, indent=2, ensure_ascii=False))
        return 0
    for key, (value, source) in rows.items():
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        print(f"{key:16}{text:32}{source}")
    return 0
