"""All SQLite stores of a process share their compiled statements: many a test takes less time than compiling them.

SQLAlchemy caches what it has compiled for one engine. A cloud has one for as long as it runs; a test opens several.
"""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from cloud_stub.stores import repository

_compiled: dict[Any, Any] = {}
_engine = repository._engine


def share() -> None:
    """From now on; for the processes too that are forked from this one."""
    # The dialect is a part of the cache's keys, and each engine has one of its own, the same as any other.
    SQLiteDialect_pysqlite.__eq__ = lambda one, other: type(one) is type(other)
    SQLiteDialect_pysqlite.__hash__ = lambda one: hash(type(one))
    repository._engine = _sharing


def _sharing(*arguments: Any) -> Engine:
    return _engine(*arguments).execution_options(compiled_cache=_compiled)
