"""The benchmark of the hearing counts what it says it counts, on sounds that ship."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.hearing import Measured
from device.model_building.evaluate import word_errors
from device.spoken_requests import FOLDER

KEYS = {"wake_hits", "wake_total", "false_alarms", "hours", "wer", "sentences_right", "sentences", "rtf"}
KEYS |= {"load_s", "rss_mb", "size_mb"}


def run(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.hearing", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The requests that ship, as a table of somebody's recordings: three are said to be something else."""
    with (FOLDER / "requests.tsv").open(encoding="utf-8") as file:
        rows = [(row["file"], row["said"]) for row in csv.DictReader(file, delimiter="\t")][:6]
    rows[0] = (rows[0][0], "nothing for the speaker")
    rows[1] = (rows[1][0], "alexa remind him of my anniversary on june fourteenth")
    rows[2] = (rows[2][0], "alexa")
    path = tmp_path / "table.tsv"
    path.write_text("file\ttranscript\n" + "".join(f"{name}\t{said}\n" for name, said in rows))
    return path


def test_a_folder_of_recordings_is_measured(table: Path, tmp_path: Path) -> None:
    sums = tmp_path / "sums.json"
    printed = run("--audio", FOLDER, "--transcripts", table, "--json", sums)
    got = json.loads(sums.read_text())
    assert set(got) == KEYS
    assert (got["wake_hits"], got["wake_total"], got["false_alarms"]) == (5, 5, 1)
    assert (got["sentences_right"], got["sentences"]) == (3, 4)
    words = sum(len(line.split("\t")[1].split()) - 1 for line in table.read_text().splitlines()[2:])
    assert got["wer"] == pytest.approx(1 / words, abs=1e-4)
    assert got["hours"] == pytest.approx(4 / 3600, rel=0.5)
    assert got["size_mb"] == pytest.approx(3.3, abs=0.8)
    assert all(got[key] > 0 for key in ("rtf", "load_s", "rss_mb"))
    assert "together" in printed


def test_words_without_a_wake_word_are_measured_after_a_push_of_the_button_and_all_is_drawn(
    table: Path, tmp_path: Path
) -> None:
    sums, picture = tmp_path / "sums.json", tmp_path / "picture.png"
    table.write_text("file\ttranscript\n11_question.flac\talexa what time is it\n11_question.flac\twhat time is it\n")
    run("--audio", FOLDER, "--transcripts", table, "--json", sums, "--pushed", "--plot", picture)
    got = json.loads(sums.read_text())
    assert (got["sentences"], got["wake_total"], got["false_alarms"]) == (2, 1, 1)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "a c", 1),
        ("a b", "a x b y", 2),
        ("a b", "", 2),
        ("", "a", 1),
        ("a b", "b a", 2),
    ],
)
def test_word_errors_are_the_fewest_changes(said: str, heard: str, errors: int) -> None:
    assert word_errors(said.split(), heard.split()) == errors


def test_sums_of_several_sets_add_up() -> None:
    one, other = Measured(wake_hits=1, wrong=["a"]), Measured(wake_hits=2, words=3, wrong=["b"])
    assert one + other == Measured(wake_hits=3, words=3, wrong=["a", "b"])
