"""Small files of ours: cut off at any call they are old, new or missing, never in part; once told of, they stay."""

import io
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from cloud_stub import durable
from tests.device.test_model_download import NAME, Site, archive
from tests.faults.disk import Disk
from tests.traced import DISK, calls, under_strace

#: By the file that each writes twice, how; `told()` is where the program goes on as if it were kept.
DEEDS = {
    "cloud/store": """
from cloud_stub import durable
from cloud_stub.stores import address
durable.make_folder(folder / "cloud")
for name in ("one", "another"):
    address.remember(folder / "cloud", address.parse(f"postgresql://cloud@127.0.0.1/{name}"))
    told()
""",
    "cloud/witness.key": """
from cloud_stub import durable
from cloud_stub.residue.witness import Witness
durable.make_folder(folder / "cloud")
for _ in range(2):
    Witness(folder / "cloud")
    told()
""",
    "metrics-token": """
from cloud_stub.page.serving import _token
for _ in range(2):
    _token(folder / "metrics-token")
    told()
""",
    "broker/passwords": """
from cloud_stub import broker_config
for devices in (["kitchen"], ["bath", "hall"]):
    broker_config.write(folder / "broker", devices, ["localhost"], 8883, 1883, home_assistant=False)
    told()
""",
    "receipt.json": """
from cloud_stub.commands.receipts import write
for number in range(2):
    write({"deletion": "x" * 100}, folder / "receipt.json")
    told()
""",
    "devices/kitchen/switches.json": """
from device.switches import Switches
for volume in (10, 20):
    Switches(folder / "devices/kitchen").set(volume=volume)
    told()
""",
    "sound/01a214e3-ae71-7a91-bda1-307902f3d74a.flac": """
from device.saved_sound import SavedSound
for _ in range(2):
    SavedSound(folder / "sound").save("01a214e3-ae71-7a91-bda1-307902f3d74a", b"fLaC" * 1000)
    told()
""",
    "settings.toml": """
from device import settings
settings.create(folder / "settings.toml")
told()
told()
""",
}

#: Those that users name are written in their place, and may be cut off; what is promised is that they stay.
IN_PLACE = {"receipt.json", "settings.toml", "sound/01a214e3-ae71-7a91-bda1-307902f3d74a.flac"}

BEGIN = """
import os, sys
from pathlib import Path
folder = Path(sys.argv[1])
def told():
    os.write(1, b"told")
"""


@pytest.mark.parametrize("name", DEEDS)
def test_cut_off_anywhere_a_file_is_whole_and_once_told_it_stays(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    command = [sys.executable, "-c", BEGIN + DEEDS[name], str(root)]
    subprocess.run([*under_strace(tmp_path / "calls", DISK), *command], stdout=subprocess.DEVNULL, check=True)
    disk, told, states = Disk(root), [], []
    for call in calls(tmp_path / "calls"):
        disk.apply(call)
        states += [disk.now().get(name), after := disk.after_a_cut().get(name)]
        if call.data == b"told":
            assert after is not None, "once told, it stays"
            assert after == disk.now()[name]
            told.append(after)
        elif told:
            assert after is not None
    assert len(told) == 2
    assert name in IN_PLACE or set(states) == {None, *told}


def test_what_a_user_names_may_be_no_file_or_lie_where_no_folder_is_synced(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with (tmp_path / "receipt").open("wb") as file:
        durable.write(Path(f"/dev/fd/{file.fileno()}"), b"signed")
        durable.write(Path(f"/dev/fd/{writing}"), b"signed")
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == (tmp_path / "receipt").read_bytes() == b"signed"


def test_a_downloaded_model_is_on_the_disk_before_it_is_told_of(tmp_path: Path) -> None:
    site, content = Site(), archive()
    threading.Thread(target=site.server.serve_forever, args=(0.01,), daemon=True).start()
    site.offer(content)
    root = tmp_path / "root"
    root.mkdir()
    command = [sys.executable, "-m", "device", "models", "download", NAME, "--online", "--site", site.address]
    subprocess.run(
        [*under_strace(tmp_path / "calls", DISK), *command],
        env=os.environ | {"VOSK_MODEL_PATH": str(root / "vosk")},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    site.server.shutdown()
    site.server.server_close()
    disk = Disk(root)
    for call in calls(tmp_path / "calls"):
        disk.apply(call)
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        whole = {f"vosk/{name}": packed.read(name) for name in packed.namelist() if not name.endswith("/")}
    assert disk.after_a_cut() == whole
