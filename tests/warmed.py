"""Imported where processes are forked from (forked.py): they find compiled what every cloud asks its stores."""

import gc
from pathlib import Path
from tempfile import TemporaryDirectory

from cloud_stub.house import open_house
from tests import forked, statements

statements.share()
forked.use()
with TemporaryDirectory() as folder, open_house(Path(folder), create=True):
    pass
# What is here stays: whoever is forked need not look through it for garbage.
gc.freeze()
