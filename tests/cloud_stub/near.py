"""Values that are almost what a message may hold, as hypothesis draws them."""

from typing import Any

from hypothesis import strategies as st

from cloud_stub.contract.schemas import TIME
from tests.cloud_stub.wire import LETTERS

ODD_TIMES = st.from_regex(TIME.replace(r"$(?!\n)", r"\Z")) | st.from_regex(
    r"\A(?:0000|0001|0002|0004|1900|2000|2026|9998|9999)-(?:01|02|06|12)-(?:01|28|29|30|31)"
    r"[T _t](?:00|23|24):59:(?:59|60)(?:\.[0-9]{0,8}|\.9999999?)?(?:Z|z|\+01:00|\+0100|-24:00|\+01|)\Z"
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 101)
    | st.integers(2**52, 2**65)
    # Whole numbers with a point are the one thing that a schema takes for an integer, and the contract does not.
    | st.floats(-1, 2).filter(lambda value: not value.is_integer())
    | st.text(st.characters(codec="utf-8"), max_size=5)
    | st.text(LETTERS, min_size=99, max_size=101)
    | ODD_TIMES
    | st.sampled_from(["stored", "interaction", "online", "daily", "a\0b", "kitchen\n", "kitchen"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


def near(value: Any) -> st.SearchStrategy[Any]:
    """What is almost like that value, and may be just beyond what its type allows; or anything else."""
    if isinstance(value, str):
        beside = [f"{value}\0", f"{value}\n", value.upper(), value[1:], "", "a" * 101, "a" * 2000, "a" * 2001]
        return st.sampled_from(beside) | ODD_TIMES | VALUES
    if isinstance(value, list):
        return st.sampled_from([[], value * 2, value * 501]) | VALUES
    if isinstance(value, int) and not isinstance(value, bool):
        return st.sampled_from([-1, 0, 100, 101, 1000, 1001, 3_600_001, 2**53, 2**53 + 1, 1.5]) | VALUES
    return VALUES


def places(part: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) within a JSON value."""
    keys = list(part) if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else []
    return [(part, key) for key in keys] + [found for key in keys for found in places(part[key])]
