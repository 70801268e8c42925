"""A clean Debian in a folder, in which the installer may do what it does."""

import contextlib
import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.processes import missing, until

CHECKOUT = Path(__file__).parents[2]

#: Debian's releases that the installer is tried in, and their Pythons.
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}

#: What wheels may be built for that all of them run.
PLATFORMS = [
    f"manylinux{each}" for each in ("1", "2010", "2014", "_2_5", "_2_12", "_2_17", "_2_26", "_2_27", "_2_28", "_2_34")
]

#: In a mount namespace of its own, so that nothing stays mounted however it ends, and nothing of ours can be removed.
#: "$@" is the folder, that of the wheels, the checkout, what else to mount, and the command.
INSIDE = """
R=$1 WHEELS=$2 CHECKOUT=$3 MORE=$4; shift 4
mkdir -p "$R/wheels" "$R/src"
mount -t proc proc "$R/proc"
mount -o bind,ro "$WHEELS" "$R/wheels"
mount -o bind,ro "$CHECKOUT" "$R/src"
mount -o bind,ro /etc/resolv.conf "$R/etc/resolv.conf"
eval "$MORE"
exec chroot "$R" "$@"
"""


class Debian:
    """`root` is the folder; `wheels` has what pip needs, so that the installation is tried, and not the network."""

    def __init__(self, root: Path, wheels: Path) -> None:
        self.root, self._wheels = root, wheels

    def command(self, *command: str, mounts: str = "", **environment: str) -> list[str]:
        """What runs a command as root in there. `mounts` is shell that mounts more, with the folder as $R."""
        variables = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": "/wheels",
        } | environment
        # Whoever was started in the background ignores Ctrl-C, and so does all that he starts, unless told otherwise.
        within = ["env", "-i", "--default-signal=INT", *map("=".join, variables.items()), *command]
        paths = [str(self.root), str(self._wheels), str(CHECKOUT)]
        return ["unshare", "--mount", "--fork", "bash", "-ec", INSIDE, "inside", *paths, mounts, *within]

    def run(self, *command: str, mounts: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run it to its end."""
        line = self.command(*command, mounts=mounts, **environment)
        return subprocess.run(line, capture_output=True, text=True, check=False)

    def install(self, *options: str, mounts: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run the installer of this checkout."""
        return self.run("/src/hardware/install.sh", *options, mounts=mounts, **environment)

    def interrupt(
        self, *options: str, at: Callable[[Path], object], by: signal.Signals
    ) -> "subprocess.CompletedProcess[str]":
        """Run the installer; once `at` is true of the folder, it and all that it runs get that signal.

        As by Ctrl-C in a terminal; and SIGKILL leaves none of them, as when the power fails.
        """
        line = self.command("/src/hardware/install.sh", *options)
        line[1:1] = ["--pid", "--kill-child"]
        with subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            until(lambda: process.poll() is not None or at(self.root), "the moment to interrupt it", 900)
            assert process.poll() is None, process.communicate()
            os.killpg(process.pid, by)
            printed, errors = process.communicate()
        return subprocess.CompletedProcess(line, process.returncode, printed, errors)

    @contextlib.contextmanager
    def booted(self) -> "Iterator[Booted]":
        """Start it by its own systemd, without network; what it writes meanwhile is gone when the block ends."""
        command = ["systemd-nspawn", "--quiet", "--boot", "--volatile=overlay", "--private-network"]
        command += ["--register=no", "--keep-unit", f"--bind-ro={CHECKOUT}:/src", "--directory", str(self.root)]
        null = subprocess.DEVNULL
        with subprocess.Popen(command, stdin=null, stdout=null, stderr=null) as process:
            try:
                until(lambda: process.poll() is not None or _systemd_of(process.pid), "systemd-nspawn to start systemd")
                assert process.poll() is None, "systemd-nspawn ended: run it by hand to see why"
                yield Booted(_systemd_of(process.pid))
            finally:
                process.terminate()  # powers it off

    def files(self) -> set[str]:
        """The path of everything in the folders that an installation writes to."""
        found = set()
        for top in ("etc", "usr", "opt", "var", "root", "home", "srv"):
            for folder, folders, files in os.walk(self.root / top):
                found |= {str((Path(folder) / name).relative_to(self.root)) for name in folders + files}
        return found

    def read(self, path: str) -> str:
        """The text of a file in there."""
        return (self.root / path).read_text("utf-8")


def _systemd_of(nspawn: int) -> str:
    """The number of the systemd that it runs; empty before. The first child is another, which starts that and ends."""
    for child in Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                return child
    return ""


class Booted:
    """A running one, by the number of its first process."""

    def __init__(self, first: str) -> None:
        self._first = first

    def run(self, *command: str, text: str = "") -> "subprocess.CompletedProcess[str]":
        """Run a command in there as root, with that as its input."""
        entered = ["nsenter", "-t", self._first, "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
        line = [*entered, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *command]
        return subprocess.run(line, capture_output=True, text=True, check=False, input=text)

    def about(self, service: str, what: str) -> str:
        """A property of a service, as systemctl show names it."""
        return self.run("systemctl", "show", "--property", what, "--value", service).stdout.strip()


def make(folder: Path) -> Debian:
    """A new one, of the release that RESIDUAL_ECHO_INSTALL_RELEASE names, or this machine's own.

    What takes long to make is kept, and used again, where RESIDUAL_ECHO_INSTALL_CACHE names a folder.
    """
    if os.geteuid() != 0:
        missing("root", "run this as root: a Debian in a folder is made by nobody else")
    if not shutil.which("debootstrap"):
        missing("debootstrap", "apt install debootstrap")
    codename = os.environ.get("RESIDUAL_ECHO_INSTALL_RELEASE") or _own_release()
    if codename not in PYTHONS:
        missing("a release that the installer knows", f"{codename} is none of {', '.join(PYTHONS)}")
    cache = Path(os.environ.get("RESIDUAL_ECHO_INSTALL_CACHE") or folder)
    # What the project needs changes: wheels for what it needed once are not used again.
    needs = hashlib.sha256((CHECKOUT / "pyproject.toml").read_bytes()).hexdigest()[:12]
    packed, wheels = cache / f"{codename}.tar", cache / f"wheels-{codename}-{needs}"
    if not packed.exists():
        _bootstrap(codename, folder / "made", packed)
    if not wheels.exists():
        _wheels(PYTHONS[codename], folder / "checkout", wheels)
    root = folder / "root"
    root.mkdir()
    subprocess.run(["tar", "-C", root, "-xf", packed], check=True)
    return Debian(root, wheels)


def _own_release() -> str:
    return _output("sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME")[0]


def _bootstrap(codename: str, root: Path, packed: Path) -> None:
    """From the mirror that apt uses here for this machine's own release."""
    listed = _output("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages")
    mirrors = [line.split()[0] for line in listed if line.endswith(f" {_own_release()}")]
    if not mirrors:
        missing("a mirror of Debian", f"apt knows of none for {_own_release()}: look at /etc/apt/sources.list")
    more = "--include=systemd,systemd-sysv,ca-certificates"
    subprocess.run(["debootstrap", "--variant=minbase", more, codename, root, mirrors[0]], check=True)
    # Whole, or not there, as the wheels are: a part of it would be used for ever.
    part = packed.with_suffix(".part")
    subprocess.run(["tar", "-C", root, "-cf", part, "."], check=True)
    part.rename(packed)


def _wheels(python: str, checkout: Path, wheels: Path) -> None:
    """What the installer's pip will ask for, with this machine's own settings of pip; the project itself not."""
    shutil.copytree(CHECKOUT, checkout, ignore=shutil.ignore_patterns(".venv", ".git", "build", "*.egg-info"))
    part = wheels.with_suffix(".part")
    wanted = [f"{checkout}[cloud,hardware]", "setuptools>=77"]
    _pip("wheel", "-w", str(part), *wanted)
    if python != f"{sys.version_info.major}.{sys.version_info.minor}":
        # What is built here is for every Python; what is compiled is fetched for that one too.
        made = [str(own) for own in part.glob("residual_echo-*.whl")]
        platforms = [f"--platform={each}_{platform.machine()}" for each in PLATFORMS]
        there = [f"--python-version={python}", "--only-binary=:all:", f"--find-links={part}", *platforms]
        _pip("download", "-d", str(part), *there, *(f"{own}[cloud,hardware]" for own in made), "setuptools>=77")
    for own in part.glob("residual_echo-*.whl"):
        own.unlink()
    part.rename(wheels)


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "-q", *arguments], check=True)


def _output(*command: str) -> Sequence[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
