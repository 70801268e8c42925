"""Nobody reads, plays, changes or deletes by the page what is not theirs; and nothing that was said becomes code."""

import asyncio
import importlib
import re
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from cloud_stub.certificates import Authority
from cloud_stub.contract.messages import MAX_RECORDING_BYTES
from cloud_stub.errors import CloudError
from cloud_stub.page.serving import where
from tests import forked
from tests.browser.visitor import Visitor, visitor
from tests.processes import Cloud, asked, cloud, cloud_stub, until
from tests.speaker import Speaker, speaker

SECRET = "remember that the key is under the stone lion"
EVIL = "remember <script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> \"quoted\" 'it'"


@dataclass
class Street:
    """One cloud, two households that know nothing of each other."""

    cloud: Cloud
    mine: Visitor
    theirs: Visitor
    ours: str
    """An interaction of the household."""
    secret: str
    """One of Alice's."""
    deletion: str
    """One of hers."""

    @property
    def base(self) -> str:
        return self.cloud.links["household"].split("/enter")[0]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    data = tmp_path_factory.mktemp("street") / "data"
    for device, account in (("kitchen", "household"), ("bedroom", "alice")):
        assert cloud_stub("register", device, "--account", account, "--data", data).returncode == 0
    with (
        cloud(data, "--http", "127.0.0.1:0") as served,
        visitor(served.links["household"]) as mine,
        visitor(served.links["alice"]) as theirs,
        speaker(served.broker, "kitchen") as kitchen,
        speaker(served.broker, "bedroom") as bedroom,
    ):
        bedroom.show()
        until(lambda: "waits for its wake word" in theirs.get("/devices").text, "Alice's device to be seen")
        ours, secret = kitchen.say(EVIL), bedroom.say(SECRET)
        gone = theirs.post("/delete", what="one", id=bedroom.say("what time is it"))
        assert gone.status_code == 303
        yield Street(served, mine, theirs, ours, secret, gone.headers["location"].rsplit("/", 1)[1])


def routes(street: Street) -> list[tuple[str, str]]:
    """(method, path) of everything that the page answers, its parameters filled in with what exists."""
    described = street.mine.get("/openapi.json").json()["paths"]
    filled = {"{interaction}": street.ours, "{device}": "kitchen", "{button}": "mute", "{deletion}": street.deletion}
    found = [("GET", "/openapi.json"), ("GET", "/live/events"), ("GET", "/nowhere")]
    for path, methods in described.items():
        for name, value in filled.items():
            path = path.replace(name, value)  # noqa: PLW2901
        found += [(method.upper(), path) for method in methods]
    return found


def test_no_page_and_no_call_without_a_session(street: Street) -> None:
    forged = {"cookie": f"{next(iter(street.mine.client.cookies))}=forged"}
    with httpx.Client(base_url=street.base) as stranger:
        for method, path in routes(street):
            if path == "/enter":
                continue
            for headers in ({}, forged):
                answer = stranger.request(method, path, headers=headers)
                assert answer.status_code == 401, (method, path)
                assert "walnut" not in answer.text
                assert "stone lion" not in answer.text


def test_a_link_opens_once_and_a_session_that_was_left_is_over(street: Street, tmp_path: Path) -> None:
    assert httpx.get(street.cloud.links["household"]).status_code == 403
    assert httpx.get(f"{street.base}/enter?link=guess").status_code == 403
    with (
        cloud(tmp_path / "data", "--http", "127.0.0.1:0") as other,
        visitor(other.links["household"]) as guest,
    ):
        (cookie,) = guest.client.cookies.items()
        assert guest.get("/history").status_code == 200
        assert guest.post("/leave").status_code == 200
        guest.client.cookies.set(*cookie)
        assert guest.get("/history").status_code == 401


def test_nothing_of_another_account_is_read_played_or_deleted_by_any_id(street: Street) -> None:
    mine, theirs = street.mine, street.theirs
    for path in (f"/history/{street.secret}", f"/recordings/{street.secret}", f"/recordings/{street.secret}/waveform"):
        assert mine.get(path).status_code == 404, path
        assert theirs.get(path).status_code == 200, path
    assert mine.get(f"/delete?what=one&id={street.secret}").status_code == 404
    assert mine.post("/delete", what="one", id=street.secret).status_code == 404
    assert mine.get(f"/receipts/{street.deletion}").status_code == 404
    assert mine.get(f"/receipts/{street.deletion}/file").status_code == 404
    assert theirs.get(f"/receipts/{street.deletion}").status_code == 200
    assert mine.post("/devices/bedroom/mute").status_code == 404
    assert mine.post("/devices/bedroom/say", text="stone lion").status_code == 404
    assert mine.post("/close", account="alice").status_code == 409
    for path in (
        "/history?words=lion",
        "/left",
        "/left?at=P3M&delete=nothing",
        "/live",
        "/devices",
        "/delete?what=all",
    ):
        page = mine.get(path)
        assert page.status_code == 200
        assert "stone lion" not in page.text
        assert "bedroom" not in page.text, path
    assert b"stone lion" not in mine.get("/export").content
    assert mine.post("/left/search").status_code == 303
    assert street.secret not in mine.get("/left").text
    heard = [row["transcript"] for row in asked("history", "alice", "--data", street.cloud.data)]
    assert heard == [SECRET]


def test_what_happens_in_another_account_is_not_seen_live(street: Street) -> None:
    seen = threading.Event()

    def talk(bedroom: Speaker, kitchen: Speaker) -> None:
        # Again and again: the page listens a moment after it has begun to answer.
        while not seen.is_set():
            bedroom.say("remember the stone lion again", sound=False)
            kitchen.say("what time is it", sound=False)

    with (
        speaker(street.cloud.broker, "bedroom") as bedroom,
        speaker(street.cloud.broker, "kitchen") as kitchen,
        street.mine.client.stream("GET", "/live/events") as stream,
    ):
        talking = threading.Thread(target=talk, args=(bedroom, kitchen))
        talking.start()
        try:
            for line in stream.iter_lines():
                assert "lion" not in line
                assert "bedroom" not in line
                if '"stored"' in line:
                    break
        finally:
            seen.set()
            talking.join()


def test_no_form_is_taken_without_the_sessions_token_or_from_another_site(street: Street) -> None:
    client = street.mine.client
    posts = [path for method, path in routes(street) if method == "POST" and path != "/enter"]
    assert len(posts) >= 7
    foreign: list[dict[str, str]] = [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ]
    fields = {"what": "all", "name": "auto_delete", "value": "P3M", "text": "hello", "account": "household"}
    for path in posts:
        assert client.post(path, data=fields).status_code == 403, path
        assert client.post(path, data=fields | {"csrf": street.theirs.csrf}).status_code == 403, path
        for headers in foreign:
            answer = client.post(path, data=fields | {"csrf": street.mine.csrf}, headers=headers)
            assert answer.status_code == 403, (path, headers)
    assert asked("settings", "--data", street.cloud.data)["auto_delete"] == "never"
    assert street.mine.get(f"/history/{street.ours}").status_code == 200, "nothing was deleted"


class Markup(HTMLParser):
    """Every tag and attribute of a page, and the text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))


def test_words_stay_words_on_every_page_and_no_page_has_code_of_its_own(street: Street) -> None:
    pages = ["/live", "/history", f"/history/{street.ours}", "/left", "/left/picture", "/compare", "/settings"]
    pages += ["/devices", "/delete?what=all", f"/delete?what=one&id={street.ours}", "/close", "/nowhere"]
    pages += ["/history?words=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "/compare?first=%3Cscript%3E"]
    for path in pages:
        answer = street.mine.get(path)
        for tag, attributes in Markup(answer.text).tags:
            assert tag != "style", path
            assert tag != "script" or attributes == {"src": "/static/page.js", "defer": None}, path
            assert tag != "img" or str(attributes["src"]).startswith(("/static/", "/recordings/")), path
            assert not [name for name in attributes if name.startswith("on") or name == "style"], path
            assert not str(attributes.get("href", "")).startswith(("javascript:", "http:", "https:", "//")), path
    assert "&lt;script&gt;document.title" in street.mine.get("/history").text


def test_every_answer_carries_the_strict_policy(street: Street) -> None:
    answers = [street.mine.get(path) for path in ("/live", "/static/page.js", f"/recordings/{street.ours}", "/nowhere")]
    answers += [httpx.get(f"{street.base}/history"), street.mine.client.post("/delete")]
    for answer in answers:
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy.pop("default-src") == "'none'"
        assert policy.pop("frame-ancestors") == policy.pop("base-uri") == "'none'"
        assert policy.pop("require-trusted-types-for") == "'script'"
        assert policy.pop("trusted-types") == "'none'"
        assert set(policy.values()) == {"'self'"}, "nothing inline, nothing from elsewhere"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
    assert answers[0].headers["cache-control"] == answers[2].headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../page/door.py",
        "/static/..%2f..%2fhouse.py",
        "/static/%2e%2e/guard.py",
        "/static//etc/passwd",
        "/recordings/..%2f..%2fcloud%2fkeys.db",
        "/history/..%2f..%2fetc%2fpasswd",
        "/receipts/..%2fsigning.key/file",
        "/compare?trace=../../../etc/passwd",
        "/compare?trace=/etc/passwd&first=/etc/passwd",
        "/compare?trace=nothing",
        "/compare?trace=week&first=../policies/amazon-2019.toml",
    ],
)
def test_no_path_leads_out_of_the_page(street: Street, path: str) -> None:
    host, port = street.base.removeprefix("http://").split(":")
    cookie = "; ".join(f"{name}={value}" for name, value in street.mine.client.cookies.items())
    # Byte for byte: a client would tidy the path up.
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    answer = raw(host, int(port), request.encode())
    assert re.match(rb"HTTP/1.1 (404|422|400) ", answer), answer[:80]
    for file in (b"root:", b"import ", b"[[rule]]"):
        assert file not in answer


def raw(host: str, port: int, request: bytes) -> bytes:
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def test_what_is_too_long_is_refused_whatever_its_headers_say(street: Street) -> None:
    client, token = street.mine.client, street.mine.csrf
    whole = client.post(
        "/devices/kitchen/hear", data={"csrf": token}, files={"sound": b"R" * (MAX_RECORDING_BYTES + 1)}
    )
    assert whole.status_code == 413
    headers = {"x-csrf-token": token, "content-type": "application/x-www-form-urlencoded"}

    def endless() -> Iterator[bytes]:
        yield b"text="
        for _ in range(100):
            yield b"a" * 100_000

    answer = client.post("/devices/kitchen/say", content=endless(), headers=headers)
    assert answer.status_code == 413
    assert client.post("/delete", content=b"what=" + b"a" * 100_000, headers=headers).status_code == 413
    assert client.post("/devices/kitchen/say", data={"csrf": token, "text": "a" * 2001}).status_code == 422
    many = "&".join(f"f{number}=1" for number in range(5000))
    assert client.post("/settings", content=many.encode(), headers=headers).status_code in {400, 422}
    assert street.mine.get("/live").status_code == 200, "it still answers"


async def uploaded(size: int) -> Request:
    """A request with a file of that size."""
    head = b'--b\r\nContent-Disposition: form-data; name="sound"; filename="a.wav"\r\n\r\n'
    body = head + b"R" * size + b"\r\n--b--\r\n"
    headers = [(b"content-type", b"multipart/form-data; boundary=b")]

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def test_an_uploaded_sound_lies_in_no_file() -> None:
    importlib.import_module("cloud_stub.page.app")

    async def rolled() -> bool:
        form = await (await uploaded(MAX_RECORDING_BYTES)).form()
        on_disk: bool = form["sound"].file._rolled  # type: ignore[union-attr]
        await form.close()
        return on_disk

    assert asyncio.run(rolled()) is False


def test_nothing_that_is_sent_becomes_a_header(street: Street) -> None:
    split = "%0d%0aset-cookie:%20owned=1%0d%0a%0d%0a"
    paths = [f"/history?words={split}", f"/history?device={split}", f"/history/{split}", f"/compare?trace={split}"]
    answers = [street.mine.get(path) for path in paths]
    answers += [street.mine.post("/delete", what="range", since="\r\nset-cookie: owned=1")]
    answers += [street.mine.post("/settings", name="auto_delete", value="never\r\nset-cookie: owned=1")]
    for answer in answers:
        assert "set-cookie" not in answer.headers
        assert answer.status_code in {200, 404, 422}


def test_another_hosts_name_is_refused(street: Street) -> None:
    port = street.base.rsplit(":", 1)[1]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port}.evil.example", ""):
        assert street.mine.get("/history", headers={"host": host}).status_code in {400, 421}, host
    assert street.mine.get("/history", headers={"host": f"localhost:{port}"}).status_code == 200


def test_beyond_loopback_it_refuses_to_start_without_tls_and_a_password(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "ca").sign("page")
    (good := tmp_path / "password").write_text("correct horse battery\n")
    (short := tmp_path / "short").write_text("hunter2\n")
    for host in ("0.0.0.0", "192.168.1.5", "[::]", "[2001:db8::1]"):
        for certificate, key, password in (
            (None, None, None),
            (pair.certificate, pair.key, None),
            (None, None, good),
            (pair.certificate, pair.key, short),
        ):
            with pytest.raises(CloudError, match="password"):
                where(f"{host}:0", certificate, key, password)
    with pytest.raises(CloudError, match="certificate"):
        where("127.0.0.1:0", good, pair.key, None)
    for address in ("kitchen.local:80", "127.0.0.1", "127.0.0.1:99999", ":80", "0.0.0.0:x"):
        with pytest.raises(CloudError, match=r"--http 127\.0\.0\.1:"):
            where(address, None, None, None)
    done = cloud_stub("serve", "--embedded-broker", "--port", "0", "--http", "0.0.0.0:0", "--data", tmp_path / "data")
    assert done.returncode == 2
    assert "needs TLS and a password" in done.stderr
    assert not (tmp_path / "data").exists()


def test_beyond_loopback_it_asks_for_the_password_by_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    pair = authority.sign("page")
    (password := tmp_path / "password").write_text("correct horse battery\n")
    options = ("--http-certificate", str(pair.certificate), "--http-key", str(pair.key))
    trust = ssl.create_default_context(cafile=str(authority.file))
    with cloud(tmp_path / "data", "--http", "0.0.0.0:0", *options, "--http-password-file", str(password)) as served:
        link = served.links["household"]
        assert link.startswith("https://127.0.0.1:")
        with httpx.Client(verify=trust) as guest:
            assert "password" in guest.get(link).text
            base, token = link.split("/enter?link=")
            for _ in range(4):
                wrong = guest.post(f"{base}/enter", data={"link": token, "password": "guess"})
                assert wrong.status_code == 403
            right = guest.post(f"{base}/enter", data={"link": token, "password": "correct horse battery"})
            assert right.status_code == 303
            assert "secure" in right.headers["set-cookie"].lower()
            assert "max-age" in right.headers["strict-transport-security"]
            assert guest.get(f"{base}/history").status_code == 200


def test_a_link_is_worth_nothing_after_five_wrong_passwords(tmp_path: Path) -> None:
    (password := tmp_path / "password").write_text("correct horse battery\n")
    with cloud(tmp_path / "data", "--http", "127.0.0.1:0", "--http-password-file", str(password)) as served:
        base, token = served.links["household"].split("/enter?link=")
        for _ in range(5):
            assert httpx.post(f"{base}/enter", data={"link": token, "password": "guess"}).status_code == 403
        late = httpx.post(f"{base}/enter", data={"link": token, "password": "correct horse battery"})
        assert late.status_code == 403
        assert "set-cookie" not in late.headers


def test_the_terminal_shows_a_link_and_once_it_is_used_the_next(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cloud_stub", "serve", "--embedded-broker", "--port", "0", "--http", "127.0.0.1:0"]
    with forked.Popen([*command, "--data", str(tmp_path)], stdout=forked.PIPE, text=True) as served:
        assert served.stdout is not None
        try:
            first = next(link for line in iter(served.stdout.readline, "") if (link := link_in(line)))
            assert httpx.get(first).status_code == 303
            second = next(link for line in iter(served.stdout.readline, "") if (link := link_in(line)))
            assert second != first
            assert httpx.get(second).status_code == 303
        finally:
            served.terminate()


def link_in(line: str) -> str:
    """The page's link, where the line has one."""
    found = re.search(r"http://127\.0\.0\.1:\d+/enter\?link=\S+", line)
    return found[0] if found else ""


def test_the_counts_are_for_the_holder_of_their_token_and_for_no_session(street: Street) -> None:
    file = street.cloud.data / "cloud" / "metrics-token"
    assert file.stat().st_mode & 0o077 == 0
    token = file.read_text()
    answer = httpx.get(f"{street.base}/metrics", headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
    assert "\nresidual_echo_stored " in answer.text
    assert SECRET not in answer.text
    for header in ({}, {"authorization": f"Bearer {token}x"}, {"authorization": token}):
        assert httpx.get(f"{street.base}/metrics", headers=header).status_code == 401
    assert street.mine.get("/metrics").status_code == 401
    assert httpx.post(f"{street.base}/metrics", headers={"authorization": f"Bearer {token}"}).status_code == 405
