"""Downloads from a real HTTP server, whole and broken ones; what was downloaded hears."""

import contextlib
import hashlib
import io
import json
import os
import shutil
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from device import official_models, speech_models
from device.audio_source import Recording
from device.errors import EchoError
from device.hearing import Hearing
from device.model_download import download
from device.official_models import OfficialModel
from device.spoken_requests import FOLDER
from device.utterance import Heard
from tests import forked
from tests.processes import echo_device, free_port, until

NAME = "vosk-model-small-en-test-0.1"


class Site:
    """What the server has: an address to its content, and how many bytes of it are sent before it hangs up.

    Of what is held, whoever asks first gets half, and the rest when that is set.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.torn: dict[str, int] = {}
        self.held: dict[str, threading.Event] = {}
        files = self.files
        torn = self.torn
        held = self.held

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content, more = files.get(self.path), held.pop(self.path, None)
                if content is None:
                    return self.send_error(404)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                half = len(content) // 2 if more else 0
                self.wfile.write(content[:half])
                if more:
                    more.wait()
                with contextlib.suppress(ConnectionError):  # who waited may be gone
                    self.wfile.write(content[half : torn.get(self.path, len(content))])
                return None

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/models/"

    def offer(self, archive: bytes, **changed: str | int) -> OfficialModel:
        """Put an archive there, and Vosk's kind of list with it."""
        self.files[f"/models/{NAME}.zip"] = archive
        entry = {"name": NAME, "lang_text": "US English", "size": len(archive), "type": "small", "obsolete": "false"}
        entry |= {"md5": hashlib.md5(archive).hexdigest()} | changed
        old = entry | {"name": "vosk-model-old-0.1", "obsolete": "true"}
        speaker = entry | {"name": "vosk-model-spk-0.4", "type": "spk"}
        self.files["/models/model-list.json"] = json.dumps([old, speaker, entry]).encode()
        (model,) = official_models.online(self.address)
        return model


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, args=(0.01,))
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


def archive(*more: tuple[str | zipfile.ZipInfo, bytes], whole: bool = True) -> bytes:
    """The shipped model as Vosk packs one, and more members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as content:
        for path in sorted(speech_models.locate().rglob("*")) if whole else ():
            content.write(path, f"{NAME}/{path.relative_to(speech_models.locate())}")
        for name, data in more:
            content.writestr(name, data, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"{NAME}/link")
    info.external_attr = 0o120777 << 16
    return info


def test_a_downloaded_model_is_found_by_name_and_hears(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOSK_MODEL_PATH", str(tmp_path / "vosk"))
    content = archive()
    seen: list[int] = []
    place = download(site.offer(content), speech_models.download_folder(), site.address, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == len(content)
    assert speech_models.installed()[NAME] == place == speech_models.locate(NAME)
    assert [path.name for path in place.parent.iterdir()] == [NAME]
    model = speech_models.load(speech_models.locate(NAME))
    (_, heard) = Hearing(model).hear(Recording(FOLDER / "11_question.flac"))
    assert isinstance(heard, Heard)
    assert (heard.transcript.text, model.name) == ("what time is it", NAME)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "does not belong there": lambda: archive((f"{NAME}/../../outside", b"x")),
    "holds '/outside'": lambda: archive(("/outside", b"x")),
    r"holds '..\\\\outside'": lambda: archive((r"..\outside", b"x")),
    "holds 'another/file'": lambda: archive(("another/file", b"x")),
    f"holds '{NAME}/link'": lambda: archive((link(), b"/etc")),
    "would unpack to": lambda: archive((f"{NAME}/bomb", bytes(200_000_000))),
    "is no Vosk model": lambda: archive((f"{NAME}/README", b"x"), whole=False),
    "is damaged": lambda: archive()[:-30] + bytes(30),
}


@pytest.mark.parametrize("says", HOSTILE)
def test_an_archive_that_is_none_of_ours_leaves_nothing_behind(site: Site, tmp_path: Path, says: str) -> None:
    model = site.offer(HOSTILE[says]())
    with pytest.raises(EchoError, match=says):
        download(model, tmp_path / "vosk", site.address)
    assert list(tmp_path.rglob("*")) == [tmp_path / "vosk"]


@pytest.mark.parametrize("sent", [0, 1, 1_000_000])
def test_a_torn_download_says_so_and_the_next_one_succeeds(site: Site, tmp_path: Path, sent: int) -> None:
    model = site.offer(archive())
    site.torn[f"/models/{NAME}.zip"] = sent
    with pytest.raises(EchoError, match=f"broke off after {sent} of {model.size} bytes"):
        download(model, tmp_path, site.address)
    assert list(tmp_path.iterdir()) == []
    site.torn.clear()
    assert download(model, tmp_path, site.address).is_dir()


def test_what_a_killed_download_left_is_cleared_by_the_next_and_what_a_running_one_needs_is_not(
    site: Site, tmp_path: Path
) -> None:
    model = site.offer(archive())
    more = site.held[f"/models/{NAME}.zip"] = threading.Event()
    command = [sys.executable, "-m", "device", "models", "download", NAME, "--online", "--site", site.address]
    running = forked.Popen(command, env=os.environ | {"VOSK_MODEL_PATH": str(tmp_path)})
    (begun,) = until(lambda: list(tmp_path.glob(".download-*/archive.zip")), "the download")
    place = download(model, tmp_path, site.address)
    assert set(tmp_path.iterdir()) == {begun.parent, place}
    running.kill()
    running.wait()
    more.set()
    assert begun.exists()
    shutil.rmtree(place)
    download(model, tmp_path, site.address)
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.parametrize("changed", [{"md5": "0" * 32}, {"md5": "", "size": 17}])
def test_another_archive_than_that_of_the_list_is_refused(
    site: Site, tmp_path: Path, changed: dict[str, str | int]
) -> None:
    with pytest.raises(EchoError, match="is not the model of the list"):
        download(site.offer(archive(), **changed), tmp_path, site.address)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_is_left_alone(site: Site, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "mine").write_text("kept")
    with pytest.raises(EchoError, match="is there already"):
        download(site.offer(archive()), tmp_path, site.address)
    assert (tmp_path / NAME / "mine").read_text() == "kept"


def test_a_place_that_cannot_be_written_is_named(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EchoError, match=r"file cannot take the model"):
        download(site.offer(archive()), tmp_path / "file", site.address)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[{}]", b'{"a": 1}', b"[1]"])
def test_a_list_that_is_none_is_refused(site: Site, content: bytes) -> None:
    site.files["/models/model-list.json"] = content
    with pytest.raises(EchoError, match="is no list of Vosk models"):
        official_models.online(site.address)


@pytest.mark.parametrize("name", ["../../etc", "/etc", ".hidden", ""])
def test_a_list_cannot_name_a_folder_elsewhere(site: Site, name: str) -> None:
    with pytest.raises(EchoError, match="is no list of Vosk models"):
        site.offer(b"", name=name)


def test_the_command_says_what_to_do_without_internet(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/"
    environment = {"VOSK_MODEL_PATH": str(tmp_path)}
    done = echo_device("models", "download", "vosk-model-small-en-us-0.15", "--site", nowhere, **environment)
    assert done.returncode == 2
    assert f"On a machine with internet, fetch {nowhere}vosk-model-small-en-us-0.15.zip" in done.stderr
    assert str(tmp_path) in done.stderr
    listed = echo_device("models", **environment)
    assert listed.returncode == 0
    assert "echo-small-en" in listed.stdout
    assert "vosk-model-small-en-us-0.15" in listed.stdout


def test_the_command_fetches_from_a_mirror_and_lists_what_is_here(site: Site, tmp_path: Path) -> None:
    site.offer(archive())
    environment = {"VOSK_MODEL_PATH": str(tmp_path)}
    done = echo_device("models", "download", NAME, "--online", "--site", site.address, **environment)
    assert done.returncode == 0, done.stderr
    listed = json.loads(echo_device("models", "--json", **environment).stdout)
    assert [model["name"] for model in listed["here"]] == ["echo-small-en", NAME]
    wrong = echo_device("models", "download", "vosk-model-small-en-tset-0.1", "--online", "--site", site.address)
    assert f"Did you mean {NAME}?" in wrong.stderr


def test_every_entry_of_the_shipped_list_can_be_checked() -> None:
    models = official_models.shipped()
    assert len({model.name for model in models}) == len(models) > 30
    assert all(len(model.md5) == 32 and model.size > 10**7 and model.language for model in models)
