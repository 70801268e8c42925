"""Coverage-guided fuzzing: python -m tests.fuzz.run TARGET --minutes N, or --all. Needs atheris (extra `fuzz`).

What is found lies in build/fuzz/TARGET/: a crash, a hang or what eats memory as crash-*, timeout-*, oom-*, and in
corpus/ what reached new code. Copy a find to tests/fuzz/corpus/TARGET/, and mend the decoder.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from cloud_stub.contract.extras import install
from tests.fuzz.mutations import TOKENS
from tests.fuzz.seeds import CORPUS

#: One input may take so long, in seconds, and the process so much memory, in MB.
LONGEST_S, MEMORY_MB = 30, 2048

#: A message has at most 64 kB; what has a limit of more is reached from the seeds.
LONGEST_BYTES = 70_000


@dataclass(frozen=True)
class Result:
    """What became of fuzzing one target."""

    target: str
    runs: int
    seconds: int
    edges: int
    """Branches of our Python code that were reached."""
    crashes: list[Path]
    said: str

    def __str__(self) -> str:
        """One line."""
        found = f"FOUND {', '.join(map(str, self.crashes))}" if self.crashes else "nothing found"
        return f"{self.target:16} {self.runs:>9} runs in {self.seconds:>5} s, {self.edges:>5} edges: {found}"


def atheris_missing() -> bool:
    """Whether atheris is not installed: it has wheels for Linux on x86-64, and for few others."""
    return find_spec("atheris") is None


def fuzz(target: str, seconds: float, folder: Path, seed: int = 1) -> Result:
    """Fuzz one target in a process of its own, which libFuzzer ends; `folder` takes what is found."""
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    words = folder / "dictionary"
    quoted = ("".join(rf"\x{byte:02x}" for byte in token[:64]) for token in TOKENS)
    words.write_text("".join(f'"{token}"\n' for token in quoted))
    before = set(folder.iterdir())
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz.guided", target, f"-max_total_time={round(seconds)}"),
                *(f"-timeout={LONGEST_S}", f"-rss_limit_mb={MEMORY_MB}", f"-max_len={LONGEST_BYTES}", f"-seed={seed}"),
                *(f"-artifact_prefix={folder}/", f"-dict={words}", "-print_final_stats=1"),
                *(str(place) for place in (folder / "corpus", CORPUS / target) if place.is_dir()),
            ],
            capture_output=True,
            env=os.environ | {"TMPDIR": scratch},
            check=False,
        )
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    crashes = sorted(file for file in set(folder.iterdir()) - before if file.is_file())
    numbers = [re.findall(rf"{what}\D*?(\d+)", said) for what in ("number_of_executed_units:", "cov:")]
    runs, edges = (int(found[-1]) if found else 0 for found in numbers)
    took = re.findall(r"runs in (\d+) second", said)
    return Result(target, runs, int(took[-1]) if took else round(seconds), edges, crashes, said[-4000:])


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 where something was found, 2 where atheris is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = sorted(path.name for path in CORPUS.iterdir())
    parser.add_argument("target", nargs="?", choices=known, help="the decoder; they are in tests/fuzz/targets.py")
    parser.add_argument("--all", action="store_true", help="one after another")
    parser.add_argument("--minutes", type=float, default=5.0, help="for each, 5 unless told otherwise")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"), help="where what is found is written")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another path")
    options = parser.parse_args(arguments)
    if not options.all and options.target is None:
        parser.error("name a TARGET, or --all")
    if atheris_missing():
        print(
            f"atheris is not installed: {install('fuzz')}. It has wheels for Linux on x86-64.",
            file=sys.stderr,
        )
        return 2
    found = False
    for target in known if options.all else [options.target]:
        result = fuzz(target, 60 * options.minutes, options.folder / target, options.seed)
        print(result, flush=True)
        if result.crashes or not result.runs:
            print(result.said, flush=True)
            found = True
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
