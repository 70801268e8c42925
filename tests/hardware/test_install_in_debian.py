"""install.sh in a clean Debian root: every way in which it may fail, then the installation, then nothing left of it.

In that order: each test finds what the one before has left, as a person does who runs it again. As root: make soak.
"""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hardware import debian
from tests.hardware.debian import Booted, Debian
from tests.hardware.test_install import FOREIGN
from tests.processes import missing, until

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

SERVICES = ("residual-echo-broker", "residual-echo-cloud", "residual-echo")
CLOUD = "/var/lib/residual-echo-cloud"
EVERYTHING = ("--with-cloud", "--with-broker")

#: What is not the same after an uninstallation, and why. Nothing of it is ours.
NOT_OURS = {
    "var/cache/apt/": "apt's index of packages, and the archives that it fetched",
    "var/lib/apt/": "apt's lists of what there is, and of which packages came by themselves",
    "var/log/apt/": "apt's log of what it did",
}


INTERRUPTED = "install.sh: interrupted. Run this again: it goes on from here.\n"


def said(done: "subprocess.CompletedProcess[str]") -> str:
    """The last line of a failure: the installer's own, with the remedy."""
    assert done.returncode == 1, done.stdout + done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("install.sh: "), done.stderr
    return last


def left_in(system: Debian, before: tuple[set[str], str, str]) -> set[str]:
    """What is not as before, and is not apt's. The users and the groups are."""
    assert (system.read("etc/passwd"), system.read("etc/group")) == before[1:]
    return {name for name in system.files() ^ before[0] if not name.startswith(tuple(NOT_OURS))}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    return debian.make(tmp_path_factory.mktemp("debian"))


@pytest.fixture(scope="module")
def before(system: Debian) -> tuple[set[str], str, str]:
    """The files, the users and the groups of a clean system."""
    assert system.run("true").returncode == 0
    return system.files(), system.read("etc/passwd"), system.read("etc/group")


@pytest.mark.parametrize(
    ("mounts", "complaint"),
    [
        ("echo ID=fedora > $R/run/o; mount -o bind $R/run/o $R/etc/os-release", "knows Raspberry Pi OS and Debian"),
        (
            r"printf 'ID=debian\nVERSION_ID=\"11\"\nPRETTY_NAME=\"Debian 11\"\n' > $R/run/o;"
            " mount -o bind $R/run/o $R/etc/os-release",
            "this is Debian 11, whose Python is too old. Upgrade to Debian 12",
        ),
        ("mount -t tmpfs -o size=10m tmpfs $R/opt", "10 MB are free where /opt/residual-echo is; 700 are needed."),
    ],
)
def test_a_machine_on_which_it_cannot_be_is_refused_before_anything_is_done(
    system: Debian, before: tuple[set[str], str, str], mounts: str, complaint: str
) -> None:
    assert complaint in said(system.install(mounts=mounts))
    assert system.files() == before[0]


def test_a_cloud_without_a_broker_is_refused(system: Debian, before: tuple[set[str], str, str]) -> None:
    assert "Add --with-broker" in said(system.install("--with-cloud"))
    assert system.files() == before[0]


def test_no_network_and_a_full_disk_while_packages_are_fetched(system: Debian) -> None:
    assert "Check the network" in said(
        system.install(*EVERYTHING, mounts="umount $R/etc/resolv.conf; mount -o bind /dev/null $R/etc/resolv.conf")
    )
    full = "mount -t tmpfs -o size=64k tmpfs $R/var/cache/apt/archives"
    assert "The disk is full" in said(system.install(*EVERYTHING, mounts=full))


def test_no_network_while_the_programs_are_fetched(system: Debian) -> None:
    assert "Check the network" in said(system.install(*EVERYTHING, PIP_FIND_LINKS="/nowhere"))


def test_a_python_that_is_too_old(system: Debian) -> None:
    stub = r"printf '#!/bin/sh\necho Python 3.9.2\nexit 1\n' >$R/run/p; chmod +x $R/run/p"
    old = f"{stub}; mount -o bind $R/run/p $R/usr/bin/python3"
    assert "Python 3.9.2 at /usr/bin/python3 is too old. Python 3.11 or newer" in said(
        system.install(*EVERYTHING, mounts=old)
    )


def test_a_disk_that_becomes_full(system: Debian) -> None:
    """It has room for bytes, and not for files: nothing says so before."""
    full = "mount -t tmpfs -o size=2g,nr_inodes=700 tmpfs $R/opt"
    assert "The disk is full" in said(system.install(*EVERYTHING, mounts=full))


#: When to interrupt an installation, in the order in which it comes there, and by what.
PROGRAMS = {
    "the wheel is built": ("opt/residual-echo/tmp/builder/bin/pip", signal.SIGINT),
    "the device is installed": ("opt/residual-echo/device/lib/*/site-packages/numpy", signal.SIGKILL),
    "the cloud is installed": ("opt/residual-echo/cloud/lib/*/site-packages/sqlalchemy", signal.SIGINT),
    "the services are set up": ("etc/systemd/system/residual-echo-broker.service", signal.SIGKILL),
}


@pytest.mark.parametrize("moment", PROGRAMS)
def test_an_interruption(system: Debian, moment: str) -> None:
    file, by = PROGRAMS[moment]
    done = system.interrupt(*EVERYTHING, at=lambda root: any(root.glob(file)), by=by)
    if by == signal.SIGINT:
        assert (done.returncode, done.stderr) == (1, INTERRUPTED)
    else:
        assert (done.returncode, done.stderr) == (-by, "")


def test_after_all_that_it_completes(system: Debian, before: tuple[set[str], str, str]) -> None:
    done = system.install(*EVERYTHING)
    assert done.returncode == 0, done.stdout + done.stderr
    wants = system.root / "etc/systemd/system/multi-user.target.wants"
    assert {link.stem for link in wants.glob("residual-echo*")} == set(SERVICES)
    groups = system.run("id", "-nG", "residual-echo").stdout.split()
    assert {"residual-echo", "audio"} <= set(groups)
    assert system.run("id", "-nG", "residual-echo-cloud").stdout.split() == ["residual-echo-cloud"]
    listed = system.run("/opt/residual-echo/device/bin/pip", "list", "--local", "--format=freeze").stdout.split()
    names = {line.partition("==")[0].lower().replace("_", "-") for line in listed}
    assert "vosk" in names
    assert not FOREIGN & names
    told = system.run(
        "runuser",
        "-u",
        "residual-echo",
        "--",
        "/opt/residual-echo/device/bin/echo-device",
        "settings",
        "--config",
        "/etc/residual-echo/device.toml",
    )
    assert re.search(r"^data +/var/lib/residual-echo ", told.stdout, re.MULTILINE), told.stdout + told.stderr
    assert not [
        name for name in system.files() - before[0] if name.startswith(("root/", "home/", "opt/residual-echo/tmp"))
    ]


@pytest.mark.parametrize("unit", SERVICES)
def test_systemd_takes_each_unit_where_its_program_is(system: Debian, unit: str) -> None:
    file = f"/etc/systemd/system/{unit}.service"
    verified = system.run("systemd-analyze", "verify", "--man=no", file)
    assert (verified.returncode, verified.stderr) == (0, "")
    confined = system.run("systemd-analyze", "security", "--no-pager", "--offline=yes", "--threshold=30", file)
    assert confined.returncode == 0, confined.stdout[-200:] + confined.stderr


def test_run_again_it_changes_nothing(system: Debian) -> None:
    settings = system.root / "etc/residual-echo/device.toml"
    settings.write_text(settings.read_text("utf-8") + "outbox_bytes = 100_000_000\n", "utf-8")
    files, mine = system.files(), settings.read_text("utf-8")
    done = system.install()
    assert done.returncode == 0, done.stdout + done.stderr
    assert settings.read_text("utf-8") == mine
    assert "installing the cloud" in done.stdout, "what is there is brought up to date without being named"
    assert system.files() == files


#: A person at the broker, as the device's own package has one.
TALK = """
from device.spoken_requests import FOLDER
from device.testing.processes import until
from device.testing.remote import remote
with remote("mqtt://127.0.0.1:1883") as person:
    person.online()
    until(lambda: person.attention() == "deaf", "the device to find no microphone")
    for said in (person.say("remember that i am allergic to walnuts"), person.play(FOLDER / "08_pizza.flac")):
        print(said.interaction.id, said.answer)
"""


#: A sound card that is not there: silence, a question, silence.
MICROPHONE = """
from pathlib import Path
import numpy as np
import soundfile
from device.spoken_requests import FOLDER
noise = np.random.default_rng(1).integers(-20, 20, 64_000).astype(np.int16)
sound, _ = soundfile.read(FOLDER / "11_question.flac", dtype="int16")
Path("/usr/local/room.raw").write_bytes(b"".join(part.tobytes() for part in (noise, sound, noise)))
file = 'type file slave.pcm { type null } file "/dev/null" infile "/usr/local/room.raw" format "raw"'
Path("/etc/asound.conf").write_text("pcm.!default { type plug slave.pcm { %s } }" % file)
"""


def _since_start(machine: Booted) -> str:
    """What the device, as it runs now, has written once it has answered something; empty before."""
    started = machine.about("residual-echo", "InvocationID")
    written = machine.run("journalctl", "--no-pager", "--output=cat", f"_SYSTEMD_INVOCATION_ID={started}").stdout
    return written if "answered interaction" in written else ""


def test_under_systemd_it_hears_is_answered_and_leaves_no_words_in_the_journal(system: Debian) -> None:
    if not shutil.which("systemd-nspawn"):
        missing("systemd-nspawn", "apt install systemd-container")
    with system.booted() as machine:
        for service in SERVICES:
            until(lambda: machine.about(service, "ActiveState") == "active", f"{service} to be active", 300)  # noqa: B023
        talk = machine.run("/opt/residual-echo/device/bin/python", "-", text=TALK)
        assert talk.returncode == 0, talk.stderr + machine.run("journalctl", "--no-pager").stdout
        told = [line.split() for line in talk.stdout.splitlines()]
        assert [answer for _, answer in told] == ["stored", "stored"]
        cloud = "/opt/residual-echo/cloud/bin/cloud-stub"
        asked = machine.run("runuser", "-u", "residual-echo-cloud", "--", cloud, "history", "--json", "--data", CLOUD)
        assert sorted(row["transcript"] for row in json.loads(asked.stdout)) == [
            "order a large pepperoni pizza from dominos",
            "remember that i am allergic to walnuts",
        ]
        journal = machine.run("journalctl", "--no-pager", "--output=export").stdout.casefold()
        assert all(name in journal for name, _ in told)
        assert not [word for word in ("walnut", "allergic", "pepperoni", "dominos") if word in journal]

        # A microphone whose sound is a file: PortAudio, ALSA and what calls back into Python work within the confines.
        machine.run("/opt/residual-echo/device/bin/python", "-", text=MICROPHONE)
        machine.run("systemctl", "restart", "residual-echo")
        until(lambda: "idle" in _since_start(machine), "the device to hear it, and to answer", 300)
        assert "listening on default: 16000 Hz" in _since_start(machine)

        # One that hangs is killed, without a dump of its memory, and started again.
        main = machine.about("residual-echo", "MainPID")
        assert re.search(r"^Max core file size +0 +0 ", machine.run("cat", f"/proc/{main}/limits").stdout, re.MULTILINE)
        machine.run("/opt/residual-echo/device/bin/python", "-c", f"import os; os.kill({main}, 19)")
        until(lambda: machine.about("residual-echo", "NRestarts") == "1", "the device to be started again", 300)
        until(lambda: machine.about("residual-echo", "ActiveState") == "active", "it to be ready again", 300)

        machine.run("systemctl", "stop", *SERVICES)
        assert [machine.about(service, "ActiveState") for service in SERVICES] == ["inactive"] * 3, "and not failed"


def test_uninstalled_while_it_runs_it_stops_and_leaves_nothing(
    system: Debian,
) -> None:
    with system.booted() as machine:
        until(lambda: machine.about("residual-echo", "ActiveState") == "active", "the device to be active", 300)
        done = machine.run("/src/hardware/install.sh", "--uninstall")
        assert done.returncode == 0, done.stdout + done.stderr
        assert [machine.about(service, "LoadState") for service in SERVICES] == ["not-found"] * 3
        assert "echo" not in machine.run("cat", "/etc/passwd", "/etc/group").stdout
        left = machine.run("find", "/etc", "/usr", "/opt", "/var/lib", "/root", "/home", "/srv", "/tmp", "/var/tmp")
        assert left.returncode == 0, left.stderr
        assert not [name for name in left.stdout.splitlines() if "residual" in name or "mosquitto" in name]


def test_uninstalled_it_leaves_nothing_and_data_only_where_told_to(
    system: Debian, before: tuple[set[str], str, str]
) -> None:
    said_once = system.root / "var/lib/residual-echo-cloud/cloud/primary.db"
    said_once.parent.mkdir(parents=True, exist_ok=True)
    said_once.write_text("what was said")
    done = system.install("--uninstall", "--keep-data")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (said_once.read_text(), said_once.stat().st_uid) == ("what was said", 0)
    done = system.install("--uninstall")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "removing /var/lib/residual-echo-cloud, and what was said with it" in done.stdout
    assert left_in(system, before) == set()


def test_every_exception_is_still_one(system: Debian, before: tuple[set[str], str, str]) -> None:
    changed = system.files() ^ before[0]
    for place in NOT_OURS:
        assert [name for name in changed if name.startswith(place)], f"{place} need not be excepted"


#: The same, while packages are installed.
PACKAGES = {
    "a package is configured": ("usr/lib/python3*/__pycache__/*.pyc", signal.SIGKILL),
    "a package is unpacked": ("usr/lib/*/espeak-ng-data/*.dpkg-new", signal.SIGKILL),
    "packages are unpacked": ("usr/bin/espeak-ng.dpkg-new", signal.SIGINT),
}


@pytest.mark.parametrize("moment", PACKAGES)
def test_an_interrupted_installation_is_removed_even_if_that_is_interrupted_too(
    tmp_path: Path, before: tuple[set[str], str, str], moment: str
) -> None:
    file, by = PACKAGES[moment]
    system = debian.make(tmp_path)
    system.interrupt(*EVERYTHING, at=lambda root: any(root.glob(file)), by=by)
    assert left_in(system, before)
    system.interrupt("--uninstall", at=lambda _: " remove " in system.read("var/log/dpkg.log"), by=by)
    done = system.install("--uninstall")
    assert done.returncode == 0, done.stdout + done.stderr
    assert left_in(system, before) == set()
