"""The search that proves the other one finds what bytes.find finds."""

from hypothesis import given
from hypothesis import strategies as st

from tests.byte_search import offsets

windows = st.binary(min_size=8, max_size=12)


@given(st.sets(windows, max_size=5), st.data())
def test_every_window_is_found_wherever_it_stands(wanted: set[bytes], data: st.DataObject) -> None:
    pieces = data.draw(st.lists(st.one_of(*map(st.just, sorted(wanted)), st.binary(max_size=9)), max_size=8))
    content = b"".join(pieces)
    naive = {at for at in range(len(content)) if any(content.startswith(window, at) for window in wanted)}
    assert offsets(content, wanted) == naive
