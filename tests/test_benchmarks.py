"""The table of all benchmarks, which runs each in a process of its own."""

import subprocess
import sys


def test_the_table_loads_none_of_what_it_measures() -> None:
    program = (
        "import sys, benchmarks.__main__; print({'benchmarks.budget', 'device.echo', 'numpy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
