"""The pytest plugin's cloud can keep its stores in PostgreSQL: a database for each test, and none left behind."""

from pathlib import Path

from tests.cloud_stub.house import sealed
from tests.real.postgres import Server
from tests.test_plugin import run

TESTS = """
def test_one(echo, cloud):
    echo.say("what time is it")
    assert len(cloud.history()) == 1

def test_another_begins_empty(cloud):
    assert cloud.history() == []
"""


def test_each_test_has_a_database_of_its_own_which_is_dropped(postgres: Server, tmp_path: Path) -> None:
    store = postgres.url("postgres", user="postgres").rpartition("/")[0]
    options = ("--echo-store", store, "--echo-policy", sealed(tmp_path))
    before = postgres.execute("SELECT count(*) FROM pg_database")
    done = run(tmp_path, *options, test_stores=TESTS)
    assert done.returncode == 0, done.stdout
    assert postgres.execute("SELECT count(*) FROM pg_database") == before
