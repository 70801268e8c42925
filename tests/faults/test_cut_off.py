"""Cut off before one commit after another: the keys are those of the rows, and what was asked for is finished."""

import shutil
import sys
from pathlib import Path

import pytest

from cloud_stub.backing_up import back_up
from cloud_stub.retention import ledger, scopes
from tests import forked
from tests.cloud_stub.day import SAID, erase_all, evening, forward, shown
from tests.cloud_stub.house import neighbourhood, sealed
from tests.cloud_stub.test_backups import lose_everything, timeless
from tests.cloud_stub.test_sealing import check_keys, key_file, raw_keys, seals


def cut_off(folder: Path, policy: str, what: str, number: int) -> str:
    """Do it, and be killed at that moment. Returns what was printed before."""
    command = [sys.executable, "-m", "tests.faults.cut", str(folder), policy, what, str(number)]
    return forked.run(command, capture_output=True, text=True, check=False).stdout


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", ["delete_one", "erase_all", "forget", "opt_out", "speak"])
def test_wherever_it_is_cut_off_each_row_has_its_key_and_no_key_is_left_over(tmp_path: Path, what: str) -> None:
    policy = sealed(tmp_path, "ftc-2023")
    with evening(tmp_path / "data", "ftc-2023") as cloud:
        before, rows = raw_keys(cloud), seals(cloud)
    moments = int(cut_off(copied(tmp_path, "whole"), policy, what, 0).split()[1])
    for number in range(1, moments + 1):
        folder = copied(tmp_path, f"cut-{number}")
        assert cut_off(folder, policy, what, number) == ""
        with neighbourhood(folder, policy) as cloud:
            check_keys(cloud)
            gone = rows - seals(cloud)
            bytes_left = key_file(cloud)
            assert [seal for (seal, _), key in before.items() if seal in gone and key in bytes_left] == [], number
            assert [row for row in cloud.left() if row.rule is None] == []
            assert len(cloud.history()) in {0, len(SAID) - 1, len(SAID), len(SAID) + 1}
            assert all(row["transcript"] for row in cloud.history())
            with cloud.house.stores.read() as connection:
                assert scopes.unfinished(connection) == []
                assert list(ledger.verify(connection)) == []
        shutil.rmtree(folder)


@pytest.mark.timeout(3600)
def test_a_restore_that_is_cut_off_is_finished_before_anything_can_be_read(tmp_path: Path) -> None:
    policy = sealed(tmp_path)
    with evening(tmp_path / "data", "amazon-2019") as cloud:
        back_up(cloud.house)
        erase_all(cloud)
        forward(cloud, days=20)
        wanted = timeless(shown(cloud))
    lose_everything(tmp_path / "data")
    moments = int(cut_off(copied(tmp_path, "whole"), policy, "restore", 0).split()[1])
    for number in range(1, moments + 1):
        folder = copied(tmp_path, f"cut-{number}")
        assert cut_off(folder, policy, "restore", number) == ""
        assert (folder / "cloud/restore.json").exists()
        with neighbourhood(folder, policy) as cloud:
            assert timeless(shown(cloud)) == wanted, number
            check_keys(cloud)
        assert not (folder / "cloud/restore.json").exists()
        shutil.rmtree(folder)


def copied(tmp_path: Path, name: str) -> Path:
    return Path(shutil.copytree(tmp_path / "data", tmp_path / name))
