"""Files that only their owner may read."""

import os
from pathlib import Path


def write_secret(file: Path, content: bytes) -> None:
    """Write `content`; at no time can anybody else read it."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
