"""Where a data folder's stores are: in files of its own, or in the PostgreSQL database that it was served with."""

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from cloud_stub import durable
from cloud_stub.errors import CloudError
from cloud_stub.stores.tables import STORES

FORM = "postgresql://USER@HOST:PORT/DATABASE"

#: Where a database's address stands in the folder, without the password.
_FILE = "store"
_SECRETS = ("password", "sslpassword")


def parse(given: str) -> URL:
    """From postgresql://[user[:password]@]host[:port]/database. Raises CloudError naming the form."""
    # A bad address is repeated without user and password: what is printed ends up in logs.
    wrong = CloudError(f"store {given.rpartition('@')[2]!r} is no address of a database. Write {FORM}.")
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise wrong from None
    if url.drivername not in {"postgresql", "postgresql+psycopg"} or not (url.database or url.query):
        raise wrong
    return url.set(drivername="postgresql+psycopg")


def shown(url: URL) -> str:
    """The address without any password."""
    bare = url._replace(drivername="postgresql", password=None).difference_update_query(_SECRETS)
    return bare.render_as_string(hide_password=False)


def of_folder(folder: Path, given: str | None) -> URL | None:
    """The database that the stores of this folder are in; None where they are files of the folder.

    `given` overrides what the folder remembers. Raises CloudError where its stores are files already.
    """
    file = folder / _FILE
    remembered = file.read_text("utf-8").strip() if file.is_file() else None
    if given is not None and remembered is None and (folder / f"{STORES[0]}.db").exists():
        raise CloudError(
            f"the stores of {folder.parent} are SQLite files, and nothing moves them. Choose another folder with "
            "--data, or leave --store out."
        )
    wanted = given or remembered
    return parse(wanted) if wanted else None


def remember(folder: Path, url: URL) -> None:
    """From now on this folder's stores are there."""
    file = folder / _FILE
    if not file.is_file() or file.read_text("utf-8").strip() != shown(url):
        durable.replace(file, f"{shown(url)}\n".encode())
