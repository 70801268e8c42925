"""A search of every byte that shares no code with the one under test: each window at each offset of each file."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

_HEAD = np.dtype("<u8")


def offsets(content: bytes, wanted: set[bytes]) -> set[int]:
    """Where in the content one of the windows stands; each is at least eight bytes long."""
    if not wanted:
        return set()
    heads = np.unique(np.array([int.from_bytes(window[:8], "little") for window in wanted], _HEAD))
    likely: set[int] = set()
    for shift in range(8):
        numbers = np.frombuffer(
            content, _HEAD, count=max(len(content) - shift, 0) // 8, offset=min(shift, len(content))
        )
        places = np.minimum(np.searchsorted(heads, numbers), len(heads) - 1)
        likely.update((np.flatnonzero(heads[places] == numbers) * 8 + shift).tolist())
    lengths = {len(window) for window in wanted}
    return {offset for offset in likely if any(content[offset : offset + length] in wanted for length in lengths)}


def searched(data: Path, wanted: set[bytes]) -> set[tuple[str, int]]:
    """(file, offset) of every window in every file of the folder."""
    return {
        (str(file.relative_to(data)), offset)
        for file in data.rglob("*")
        if file.is_file()
        for offset in offsets(file.read_bytes(), wanted)
    }


def holding(files: Iterable[tuple[str, bytes]], wanted: set[bytes]) -> list[str]:
    """The names of those that hold one of the windows."""
    return [name for name, content in files if offsets(content, wanted)]
