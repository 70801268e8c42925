"""Imported where processes are forked from (forked.py): they find compiled what every cloud asks its stores."""

from pathlib import Path
from tempfile import TemporaryDirectory

from cloud_stub.house import open_house
from tests import statements

statements.share()
with TemporaryDirectory() as folder, open_house(Path(folder), create=True):
    pass
