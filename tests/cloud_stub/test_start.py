"""What a command loads before it does anything: nothing that it has no use for."""

import subprocess
import sys

HEAVY = {"hassil", "paho", "rich", "numpy", "soundfile", "fastapi", "amqtt"}


def test_a_command_that_looks_waits_for_nothing_that_only_others_need() -> None:
    shown = "import sys, cloud_stub.commands.look; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True).stdout.split()
    assert "sqlalchemy" in loaded
    assert not HEAVY & set(loaded)
