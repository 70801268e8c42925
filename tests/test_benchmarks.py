"""The table of all benchmarks: each runs to its end, in a process of its own, and finds the figures that are shown."""

import subprocess
import sys

import pytest

from benchmarks.__main__ import BENCHMARKS, run


def test_the_table_loads_none_of_what_it_measures() -> None:
    program = (
        "import sys, benchmarks.__main__; print({'benchmarks.budget', 'device.echo', 'numpy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.soak
@pytest.mark.parametrize(("name", "_full", "small", "lines"), BENCHMARKS, ids=[name for name, *_ in BENCHMARKS])
def test_a_benchmark_finds_what_the_table_shows(
    name: str, _full: tuple[str, ...], small: tuple[str, ...], lines: dict[str, str]
) -> None:
    figures = run(name, small)
    assert {line: figures.get(line) for line in lines if not isinstance(figures.get(line), float | int)} == {}
