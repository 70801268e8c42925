"""All SQLite stores of a process share their compiled statements: many a test takes less time than compiling them.

SQLAlchemy caches what it has compiled for one engine, and never what makes a table. A cloud has one engine for as long
as it runs, and makes its tables once; a test opens several new ones.
"""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.sql.ddl import BaseDDLElement, CreateIndex, CreateTable

from cloud_stub.stores import repository

_compiled: dict[Any, Any] = {}
_made: dict[Any, Any] = {}
_engine = repository._engine
_compiler = BaseDDLElement._compiler


def share() -> None:
    """From now on; for the processes too that are forked from this one."""
    # The dialect is a part of the cache's keys, and each engine has one of its own, the same as any other.
    SQLiteDialect_pysqlite.__eq__ = lambda one, other: type(one) is type(other)
    SQLiteDialect_pysqlite.__hash__ = lambda one: hash(type(one))
    repository._engine = _sharing
    BaseDDLElement._compiler = _compiled_once  # type: ignore[method-assign]


def _sharing(*arguments: Any) -> Engine:
    return _engine(*arguments).execution_options(compiled_cache=_compiled)


def _compiled_once(self: BaseDDLElement, dialect: Any, **named: Any) -> Any:
    if not isinstance(self, CreateTable | CreateIndex) or not isinstance(dialect, SQLiteDialect_pysqlite):
        return _compiler(self, dialect, **named)
    key = (type(self), self.element, self.if_not_exists, repr(named))
    if key not in _made:
        _made[key] = _compiler(self, dialect, **named)
    return _made[key]
