"""How to install what only a part of the project needs; no package index has the project, so from its sources."""

from pathlib import Path

_SOURCES = Path(__file__).parents[2]


def install(extra: str) -> str:
    """The command that adds the libraries of an extra of pyproject.toml."""
    if (_SOURCES / "pyproject.toml").is_file():
        return f"pip install '{_SOURCES}[{extra}]'"
    return f"pip install '.[{extra}]', in the folder with the sources of Residual Echo"
