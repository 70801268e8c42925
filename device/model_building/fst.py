"""A weighted finite-state transducer being built, and OpenFst's programs, which make it what Vosk reads.

Vosk composes two graphs while it decodes: HCLr (transition ids to words, with look-ahead) and Gr (words). The programs
come with Debian's `libfst-tools`.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from device.errors import EchoError

PROGRAMS = ("fstcompile", "fstarcsort", "fstconnect", "fstconvert", "fstrelabel")


@dataclass
class Fst:
    """States are numbers from 0, label 0 is epsilon, weights are negative natural logarithms."""

    start: int = 0
    states: int = 0
    arcs: list[tuple[int, int, int, int, float]] = field(default_factory=list)
    finals: dict[int, float] = field(default_factory=dict)

    def state(self) -> int:
        """A new state."""
        self.states += 1
        return self.states - 1

    def arc(self, source: int, target: int, given: int, out: int, weight: float = 0.0) -> None:
        """A new arc."""
        self.arcs.append((source, target, given, out, weight))

    def text(self) -> str:
        """In the AT&T format; the state of the first line is where it starts."""
        arcs = sorted(self.arcs, key=lambda arc: (arc[0] != self.start, arc[0]))
        rows = [f"{source}\t{target}\t{given}\t{out}\t{weight:.5g}" for source, target, given, out, weight in arcs]
        return "\n".join([*rows, *(f"{state}\t{weight:.5g}" for state, weight in self.finals.items())]) + "\n"


def write_lookahead(hcl: Fst, grammar: Fst, folder: Path) -> dict[int, int]:
    """Write `HCLr.fst` and `Gr.fst`. Returns the new number of each word: look-ahead needs them in its own order.

    Raises EchoError where OpenFst's programs are missing.
    """
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise EchoError(f"{missing[0]} is not here, and a decoding graph is made with it. apt install libfst-tools")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        _plugin(work)
        (work / "hcl.txt").write_text(hcl.text())
        (work / "g.txt").write_text(grammar.text())
        _run(work, "fstcompile", "hcl.txt", "hcl.fst")
        _run(work, "fstarcsort", "--sort_type=olabel", "hcl.fst", "hcl.sorted.fst")
        pairs = "--save_relabel_opairs=numbers.txt"
        _run(work, "fstconvert", "--fst_type=olabel_lookahead", pairs, "hcl.sorted.fst", "HCLr.fst")
        _run(work, "fstcompile", "g.txt", "g.fst")
        _run(work, "fstconnect", "g.fst", "g.connected.fst")
        new = ["--relabel_ipairs=numbers.txt", "--relabel_opairs=numbers.txt"]
        _run(work, "fstrelabel", *new, "g.connected.fst", "g.relabelled.fst")
        _run(work, "fstarcsort", "--sort_type=ilabel", "g.relabelled.fst", "g.sorted.fst")
        _run(work, "fstconvert", "--fst_type=const", "g.sorted.fst", "Gr.fst")
        for file in ("HCLr.fst", "Gr.fst"):
            shutil.copyfile(work / file, folder / file)
        lines = (work / "numbers.txt").read_text().splitlines()
        return {int(old): int(number) for old, number in (line.split() for line in lines)}


def _plugin(folder: Path) -> None:
    """OpenFst opens the look-ahead type under a name that Debian does not give to the library it ships."""
    libraries = sorted(Path("/usr/lib").glob("*/libfstlookahead.so*")) + sorted(
        Path("/usr/lib").glob("libfstlookahead.so*")
    )
    if libraries:
        (folder / "olabel_lookahead-fst.so").symlink_to(libraries[0])


def _run(folder: Path, *command: str) -> None:
    environment = {**os.environ, "LD_LIBRARY_PATH": f"{folder}:{os.environ.get('LD_LIBRARY_PATH', '')}"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        problem = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EchoError(f"{command[0]} failed: {problem}. Is libfst-tools whole? apt install --reinstall libfst-tools")
