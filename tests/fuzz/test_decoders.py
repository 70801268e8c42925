"""Whatever comes from outside is taken or refused with the decoder's own error, and nothing else happens.

A seeded sample of what `python -m tests.fuzz.run` looks for by the hour.
"""

import os
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings

from cloud_stub.contract.extras import install
from tests.fuzz import run, seeds
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS, Target
from tests.processes import missing
from tests.soak import SOAK

EXAMPLES = 5000 if SOAK else 120

#: Minutes that each decoder is fuzzed with its coverage as the guide.
MINUTES = float(os.environ.get("RESIDUAL_ECHO_FUZZ_MINUTES", "20"))

#: Far more than any of these inputs needs, far less than what some of them ask for.
MEMORY = 64_000_000

FILES = sorted((file.parent.name, file) for file in seeds.CORPUS.glob("*/*"))


@contextmanager
def bounded() -> Iterator[None]:
    """Fails where more memory was taken at one moment than MEMORY."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY, f"{peak} bytes of memory"


def refusal(target: Target, given: bytes) -> str | None:
    """What the decoder said; None where it took the input. Any other error is the test's."""
    try:
        target.decode(given)
    except target.refusals as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [pytest.param(name, given, words, id=f"{name}-{what}") for name, what, given, words in seeds.FOUND],
)
def test_what_once_broke_a_decoder_is_refused_with_cause_and_remedy(name: str, given: bytes, words: str | None) -> None:
    TARGETS[name].takes(b"")  # what it loads once does not count
    with bounded():
        said = refusal(TARGETS[name], given)
    assert said is None if words is None else words in (said or "it was taken"), said
    assert len(said or "") < 2000, "nobody reads on"


@pytest.mark.parametrize("file", [file for _, file in FILES], ids=[f"{name}-{file.name}" for name, file in FILES])
def test_nothing_of_the_corpus_breaks_its_decoder(file: Path) -> None:
    target = TARGETS[file.parent.name]
    taken = target.takes(file.read_bytes())
    good = not file.name.startswith(("found-", "crash-", "timeout-", "oom-"))
    assert taken or not good, "an example of what is good is refused"


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_begins_from_what_is_good(name: str) -> None:
    written = {what: content for target, what, content in seeds.examples() if target == name}
    assert written
    assert {what for what in written if not (seeds.CORPUS / name / what).is_file()} == set(), (
        "run: python -m tests.fuzz.seeds"
    )


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_near_what_is_good_breaks_a_decoder(name: str) -> None:
    known = [file.read_bytes() for target, file in FILES if target == name]

    @settings(max_examples=EXAMPLES)
    @given(mutated(known))
    def check(content: bytes) -> None:
        TARGETS[name].takes(content)

    check()


def test_a_crash_is_reported_with_the_input_that_repeats_it(tmp_path: Path) -> None:
    if run.atheris_missing():
        missing("atheris", install("fuzz"))
    result = run.fuzz("broken", seconds=60, folder=tmp_path)
    assert result.crashes
    assert b"!" in result.crashes[0].read_bytes()
    assert "ZeroDivisionError" in result.said


def test_without_atheris_the_command_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(run, "find_spec", lambda _: None)
    assert run.main(["contract", "--minutes", "1"]) == 2
    assert "pip install" in capsys.readouterr().err


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", TARGETS)
def test_coverage_guided_fuzzing_finds_nothing_either(name: str, tmp_path: Path) -> None:
    if run.atheris_missing():
        missing("atheris", install("fuzz"))
    result = run.fuzz(name, seconds=60 * MINUTES, folder=tmp_path)
    assert result.runs > 0, result.said
    assert result.crashes == [], result.said
