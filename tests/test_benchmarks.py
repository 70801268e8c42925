"""Every benchmark of the one table runs to its end and finds the figures that the table shows."""

import pytest

from benchmarks.__main__ import BENCHMARKS, run


@pytest.mark.soak
@pytest.mark.parametrize(("name", "_full", "small", "lines"), BENCHMARKS, ids=[name for name, *_ in BENCHMARKS])
def test_a_benchmark_finds_what_the_table_shows(
    name: str, _full: tuple[str, ...], small: tuple[str, ...], lines: dict[str, str]
) -> None:
    figures = run(name, small)
    assert {line: figures.get(line) for line in lines if not isinstance(figures.get(line), float | int)} == {}
