"""A voice: the system's own speech synthesiser, where there is one.

The words go to it by standard input: other users of the machine can read command lines.
"""

import shutil
import subprocess
import time
from collections.abc import Sequence

#: By the program that must be there: how it is run at a volume of 0 to 100. Sources: espeak-ng(1), where 100 of 200 is
#: the usual amplitude; say(1); Microsoft's SpeechSynthesizer.Volume.
SAPI = (
    "[Console]::InputEncoding = [Text.Encoding]::UTF8; Add-Type -AssemblyName System.Speech; "
    "$voice = New-Object System.Speech.Synthesis.SpeechSynthesizer; "
    "$voice.Volume = {volume}; $voice.Speak([Console]::In.ReadToEnd())"
)

LONGEST_S = 120.0  # seconds until a synthesiser that does not end is ended: 2000 characters take less
ECHO_S = 0.3  # seconds for which the room, and the sound card's buffers, still hold what was spoken


def _command(volume: int) -> Sequence[str] | None:
    """The synthesiser's command line, None where there is none."""
    if program := shutil.which("espeak-ng"):
        return [program, "--stdin", "-v", "en-us", "-a", str(volume * 2)]
    if program := shutil.which("say"):
        return [program]
    if program := shutil.which("powershell"):
        return [program, "-NoProfile", "-Command", SAPI.format(volume=volume)]
    return None


def available() -> str:
    """The name of the synthesiser that would speak; empty where there is none."""
    command = _command(0)
    return command[0] if command else ""


class Voice:
    """Speaks one text at a time, beside whatever the device does meanwhile."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._quiet_at = 0.0

    def speak(self, text: str, volume: int) -> bool:
        """Begin to speak, at a volume of 0 to 100. False where there is no voice, or nothing to hear of it."""
        self.stop()
        command = _command(volume)
        if command is None or not volume:
            return False
        try:
            self._process = subprocess.Popen(  # noqa: S603 - found on the path, and no words in it
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            assert self._process.stdin is not None
            with self._process.stdin as words:
                # [[ begins a command to the synthesiser, and an answer may quote what a person said.
                words.write(text.replace("[[", "").encode())
        except OSError:
            self.stop()
            return False
        self._started = time.monotonic()
        return True

    def speaking(self) -> bool:
        """Whether it can still be heard in the room: what is captured now is our own voice."""
        now = time.monotonic()
        if self._process is not None:
            if self._process.poll() is None and now - self._started < LONGEST_S:
                return True
            self.stop()
            self._quiet_at = now + ECHO_S
        return now < self._quiet_at

    def stop(self) -> None:
        """Be quiet."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
