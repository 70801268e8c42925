"""A real PostgreSQL of the test's own: a new cluster on a free port, run as a user who is not root."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.processes import free_port, missing, until

PASSWORD = "walnut"
_numbers = count(1)


class Server:
    """A running server. Its databases belong to the user echo, who is nobody special and needs a password."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def url(self, database: str, *, user: str = "echo", password: str | None = PASSWORD) -> str:
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"

    def database(self, options: str = "") -> str:
        """The address of a new, empty database."""
        name = f"house{next(_numbers)}"
        self.execute(f'CREATE DATABASE "{name}" OWNER echo {options}')
        return self.url(name)

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run a statement as the superuser, outside of any transaction."""
        with psycopg.connect(self.url(database, user="postgres"), autocommit=True) as connection:
            done = connection.execute(statement)
            return done.fetchall() if done.description else []

    def answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            return self.execute("SELECT 1") == [(1,)]
        return False

    def files(self, folder: str = "") -> dict[str, bytes]:
        """What is in all files, by path: `base` has the tables and indexes, `pg_wal` the write-ahead log."""
        self.execute("CHECKPOINT")
        found = (self.folder / "data" / folder).rglob("*")
        return {str(file): file.read_bytes() for file in found if file.is_file()}


def _programs() -> Path:
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version)
    if not folders or not (folders[-1] / "initdb").exists():
        missing("PostgreSQL", "apt install postgresql")
    return folders[-1]


def _version(folder: Path) -> float:
    return float(folder.parent.name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server that answers, with fsync and a collation unlike SQLite's byte order."""
    programs = _programs()
    with tempfile.TemporaryDirectory(prefix="echo-postgres-") as name:
        folder, whoever = Path(name), {}
        if os.geteuid() == 0:
            # PostgreSQL refuses root. Its package brings a user along.
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            whoever = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        (folder / "password").write_text(PASSWORD)
        locale = ["--encoding", "UTF8", "--locale", "C", "--locale-provider", "icu", "--icu-locale", "en-US"]
        login = ["--auth", "scram-sha-256", "--username", "postgres", "--pwfile", folder / "password"]
        made = subprocess.run(
            [programs / "initdb", "--no-sync", "-D", folder / "data", *locale, *login],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            **whoever,
        )
        assert made.returncode == 0, made.stderr
        server = Server(folder, free_port())
        settings = {"port": server.port, "unix_socket_directories": folder, "listen_addresses": "127.0.0.1"}
        options = [f"--{key}={value}" for key, value in settings.items()]
        command = [programs / "postgres", "-D", folder / "data", *options]
        with (
            (folder / "log").open("w") as log,
            subprocess.Popen(command, stderr=log, stdout=log, cwd=folder, **whoever) as process,
        ):
            try:
                until(server.answers, "PostgreSQL to answer")
                server.execute(f"CREATE ROLE echo LOGIN PASSWORD '{PASSWORD}'")
                yield server
            finally:
                # At once: what it holds is thrown away.
                process.send_signal(signal.SIGQUIT)
                process.wait(timeout=60)
