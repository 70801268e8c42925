"""What is missing is named with a command that installs it from where the sources are."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cloud_stub.contract import extras

ROOT = Path(__file__).parents[1]


def test_from_a_checkout_the_command_works_in_any_folder(tmp_path: Path) -> None:
    assert extras.install("cloud") == f"pip install '{ROOT}[cloud]'"
    # What pip makes of it, without the network.
    from packaging.requirements import Requirement

    found = re.fullmatch(r"pip install '(.+)(\[cloud\])'", extras.install("cloud"))
    assert found is not None
    assert Requirement(f"residual-echo{found[2]} @ file://{found[1]}").extras == {"cloud"}


def test_installed_elsewhere_it_says_where_to_run_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(extras, "_SOURCES", tmp_path)
    assert extras.install("cloud") == "pip install '.[cloud]', in the folder with the sources of Residual Echo"


def test_every_message_names_an_extra_that_there_is_and_no_package_index() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = set()
    for file in ROOT.rglob("*.*"):
        if file.suffix in {".py", ".md", ".sh"} and ".venv" not in file.parts and file.name != "CHANGELOG.md":
            text = file.read_text("utf-8")
            named |= set(re.findall(r"\binstall\([\"']([a-z]+)[\"']\)", text))
            assert file == Path(__file__) or "install 'residual-echo[" not in text, file
    assert named >= {"cloud", "postgres", "hardware", "bench", "fuzz"}
    assert named <= set(known)


@pytest.mark.parametrize("command", [["status"], ["serve", "--no-page"]])
def test_without_its_libraries_the_cloud_says_so_in_one_line(tmp_path: Path, command: list[str]) -> None:
    program = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "from cloud_stub.cli import main\n"
        f"sys.exit(main([*{command!r}, '--data', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert f"sqlalchemy is not installed. Run: {extras.install('cloud')}" in done.stderr
