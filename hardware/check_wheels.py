"""Whether the device installs on a 64-bit Raspberry Pi without a compiler: python hardware/check_wheels.py [--json]

pip resolves what the device needs, all the way down, for aarch64 and the Pythons of Raspberry Pi OS, from wheels alone,
and nothing is downloaded for good. A project that publishes no wheel is built here, from its source: where that gives a
wheel for any machine, it has no code to compile. This is a check of what there is to install; nothing is run on a Pi.

Exit code 1 where something lacks a wheel, 2 where the index cannot be asked. Our own markers (platform_machine and the
like) hold for aarch64; those of what we need, pip takes from the machine that it runs on.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
PYTHONS = ("3.11", "3.13")  # of Debian 12 and 13, and of the Raspberry Pi OS built on them
GLIBC = range(17, 37)  # Debian 12 has 2.36
PLATFORMS = ("manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in GLIBC))

#: Where there is no wheel, hardware/install.sh has it from the distribution: Raspberry Pi OS packages these.
FROM_APT = {"lgpio": "python3-lgpio", "spidev": "python3-spidev"}

_NONE = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+)")
_UNREACHABLE = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeoutError|ProxyError|Max retries exceeded")


@dataclass(frozen=True)
class Found:
    """What would be installed of one project on one Python."""

    python: str
    name: str
    version: str
    file: str
    """The wheel's name; empty where there is none."""
    built: bool = False
    """It was built from source, and has no code to compile."""
    package: str = ""
    """The distribution's package that the installer takes it from, where there is no wheel."""

    @property
    def there(self) -> bool:
        """Whether it installs without a compiler."""
        return bool(self.file or self.package)


class Offline(RuntimeError):
    """The package index cannot be reached."""


def main() -> int:
    """Check, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--project", type=Path, default=PYPROJECT, metavar="FILE", help="another pyproject.toml")
    options = parser.parse_args()
    project = tomllib.loads(options.project.read_text("utf-8"))["project"]
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = [
                each for python in PYTHONS for each in resolve(requirements(project, python), python, Path(folder))
            ]
    except Offline as error:
        print(f"check_wheels: the package index cannot be reached, so nothing was checked: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([asdict(each) for each in found], indent=2))
    else:
        print(table(found))
    return 0 if all(each.there for each in found) else 1


def requirements(project: dict[str, Any], python: str) -> list[str]:
    """What the device needs on a Pi with that Python, with the [hardware] extra where there is one."""
    texts = [*project["dependencies"], *project.get("optional-dependencies", {}).get("hardware", [])]
    pi = {"platform_machine": "aarch64", "sys_platform": "linux", "python_version": python}
    wanted = [Requirement(text) for text in texts]
    return [f"{each.name}{each.specifier}" for each in wanted if each.marker is None or each.marker.evaluate(pi)]


def resolve(wanted: list[str], python: str, built: Path) -> list[Found]:
    """What pip would install of all that on that Python. Raises Offline.

    What has no wheel, and can be built for any machine, is put into `built`.
    """
    lacking: list[Found] = []
    remaining = list(wanted)
    while True:
        done = pip(
            *("install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-", "--only-binary=:all:"),
            *("--implementation", "cp", "--python-version", python),
            *(f"--platform={each}" for each in PLATFORMS),
            *("--target", str(built / "nowhere"), "--find-links", str(built), *remaining),
        )
        if done.returncode == 0:
            found = [_found(python, each, built) for each in json.loads(done.stdout)["install"]]
            return sorted([*found, *lacking], key=lambda each: each.name.lower())
        missing = _NONE.search(done.stderr)
        if missing is None:
            raise RuntimeError(f"pip failed for another reason than a missing wheel:\n{done.stderr}")
        name = missing[1]
        if not build(name, built):
            # What it needs itself stays unknown; the rest is looked at all the same, unless it needs this too.
            lacking.append(Found(python, name, "", "", package=FROM_APT.get(name.lower(), "")))
            rest = [each for each in remaining if Requirement(each).name.lower() != name.lower()]
            if not rest or len(rest) == len(remaining):
                return lacking
            remaining = rest


def build(name: str, folder: Path) -> bool:
    """Build that project's newest source here; whether it became a wheel for any machine, which then is in `folder`."""
    with tempfile.TemporaryDirectory() as place:
        pip("wheel", "--quiet", "--no-deps", f"--no-binary={name}", "--wheel-dir", place, name)
        wheels = [file for file in Path(place).glob("*.whl") if file.stem.endswith("-none-any")]
        for file in wheels:
            file.replace(folder / file.name)
        return bool(wheels)


def pip(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run this Python's pip. Raises Offline where it cannot reach the index."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode and (unreachable := _UNREACHABLE.search(done.stderr)):
        raise Offline(f"{unreachable[0]}. Check the network, and pip's settings (pip config list).")
    return done


def _found(python: str, entry: dict[str, dict[str, str]], built: Path) -> Found:
    file = entry["download_info"]["url"].rpartition("/")[2]
    about = entry["metadata"]
    return Found(python, about["name"], about["version"], file, built=(built / file).exists())


def table(found: list[Found]) -> str:
    """A line for each project: its version, and what there is of it for each Python."""
    lines = [f"{'project':22} {'version':14} " + " ".join(f"{f'Python {python}':44}" for python in PYTHONS)]
    for name in sorted({each.name for each in found}, key=str.lower):
        mine = {each.python: each for each in found if each.name == name}
        versions = "/".join(sorted({each.version or "-" for each in mine.values()}))
        lines.append(f"{name:22} {versions:14} " + " ".join(f"{_told(mine.get(python)):44}" for python in PYTHONS))
    lacking = [f"{each.name} on Python {each.python}" for each in found if not each.there]
    lines.append(
        f"no wheel for aarch64: {', '.join(lacking)}"
        if lacking
        else "each of them has a wheel for aarch64, or nothing to compile, or is a package of Raspberry Pi OS"
    )
    lines.append("Checked against the package index; nothing was run on a Raspberry Pi.")
    return "\n".join(line.rstrip() for line in lines)


def _told(found: Found | None) -> str:
    """The end of a wheel's name says what it runs on."""
    if found is None:
        return "not needed"
    if not found.file:
        return f"apt: {found.package}" if found.package else "NONE"
    if found.built:
        return "built from source, nothing to compile"
    *_, python, abi, platform = found.file.removesuffix(".whl").split("-")
    return "any machine" if platform == "any" else f"{python}-{abi} {platform.split('.')[0]}"


if __name__ == "__main__":
    sys.exit(main())
