"""Messages of the contract as hypothesis draws them: any that its types allow."""

from datetime import UTC, datetime, timedelta, timezone
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from msgspec import Meta, Struct

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: From 1970 to 9998, in microseconds, on any wall clock.
TIMES = st.builds(
    lambda microseconds, zone: (EPOCH + timedelta(microseconds=microseconds)).astimezone(zone),
    st.integers(86_400_000_000, 253_370_600_000_000_000),
    ZONES,
)
#: What a text on the wire may hold: anything but a NUL character.
LETTERS = st.characters(codec="utf-8", exclude_characters="\0")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(LETTERS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(LETTERS), inner, max_size=3),
    max_leaves=8,
)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """What a field of that type may hold, its Meta obeyed."""
    if get_origin(hint) is Annotated:
        return annotated(*get_args(hint))
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) in {Union, UnionType}:
        return st.one_of(*map(values, get_args(hint)))
    if get_origin(hint) is dict:
        names, held = get_args(hint)
        return st.dictionaries(values(names) if names is not str else st.text(LETTERS), values(held), max_size=3)
    if isinstance(hint, type) and issubclass(hint, Struct):
        return structs(hint)
    plain: dict[Any, st.SearchStrategy[Any]] = {bool: st.booleans(), type(None): st.none()}
    return plain[hint]


def annotated(base: Any, meta: Meta) -> st.SearchStrategy[Any]:
    if base is datetime:
        assert meta.tz, "a time on the wire has a zone"
        return TIMES
    if get_origin(base) is list:
        (inner,) = get_args(base)
        return st.lists(values(inner), min_size=meta.min_length or 0, max_size=min(meta.max_length or 3, 3))
    if base is str and meta.pattern:
        return st.from_regex(meta.pattern.replace("$", r"\Z"))
    by_type: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(LETTERS, max_size=min(meta.max_length or 0, 50)),
        int: st.integers(meta.ge, meta.le),  # type: ignore[arg-type]
        float: st.floats(meta.ge, meta.le),
    }
    return by_type[base]


def structs(kind: type[Struct]) -> st.SearchStrategy[Struct]:
    hints = get_type_hints(kind, include_extras=True)
    return st.builds(kind, **{name: values(hints[name]) for name in kind.__struct_fields__})
