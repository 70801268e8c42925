"""A sound card that is not there: a PulseAudio of the test's own, whose loudspeaker is also its microphone.

What is played into the null sink `vspk` comes out of the source `vmic`, in real time; PortAudio sees the ALSA device
`pulse`. Nothing of the machine's own sound is touched.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.processes import missing, until

SETTINGS = """\
load-module module-native-protocol-unix
load-module module-null-sink sink_name=vspk rate={rate} channels={channels} format=s16le
load-module module-remap-source master=vspk.monitor source_name=vmic source_properties=device.description=vmic
set-default-source vmic
set-default-sink vspk
"""


class VirtualMicrophone:
    """`environment` is for the process that listens; `play` speaks to it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def play(self, sound: Path) -> None:
        """Play a sound file to its end, in real time."""
        self._run("paplay", "--device=vspk", str(sound))

    @contextlib.contextmanager
    def playing(self, sound: Path) -> Iterator[None]:
        """Play a sound file in the background while the block runs."""
        command = ["paplay", "--device=vspk", str(sound)]
        with subprocess.Popen(command, env=os.environ | self.environment) as player:
            try:
                yield
            finally:
                player.terminate()

    def control(self, *arguments: str) -> str:
        """A pactl command."""
        return self._run("pactl", *arguments)

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout


@contextlib.contextmanager
def virtual_microphone(folder: Path, rate: int = 16_000, channels: int = 1) -> Iterator[VirtualMicrophone]:
    """Run PulseAudio on files of its own in `folder` while the block runs."""
    for program in ("pulseaudio", "paplay"):
        if shutil.which(program) is None:
            missing(program, "apt install pulseaudio pulseaudio-utils libasound2-plugins libportaudio2")
    try:
        import sounddevice  # noqa: F401
    except OSError:
        missing("PortAudio", "apt install libportaudio2")
    runtime = folder / "runtime"
    runtime.mkdir(parents=True, mode=0o700)
    environment = {
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(runtime),
        "PULSE_RUNTIME_PATH": str(runtime),
        "PULSE_SERVER": f"unix:{runtime}/native",
    }
    settings = folder / "pulse.conf"
    settings.write_text(SETTINGS.format(rate=rate, channels=channels))
    command = ["pulseaudio", "-n", "-F", str(settings), "--exit-idle-time=-1", "--use-pid-file=no", "--daemonize=no"]
    with subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL) as process:
        try:
            made = VirtualMicrophone(environment)
            until(lambda: _ready(made), "PulseAudio")
            yield made
        finally:
            process.terminate()


def _ready(made: VirtualMicrophone) -> bool:
    with contextlib.suppress(subprocess.CalledProcessError):
        return "vmic" in made.control("list", "short", "sources")
    return False
