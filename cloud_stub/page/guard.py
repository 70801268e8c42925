"""What holds for every request before any room sees it, and for every answer after: hosts, sessions, sizes, headers."""

from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud_stub.contract.messages import MAX_RECORDING_BYTES
from cloud_stub.page.door import Door

#: Forms are short. A sound comes with the rest of its form around it.
MAX_FORM_BYTES = 64_000
MAX_UPLOAD_BYTES = MAX_RECORDING_BYTES + MAX_FORM_BYTES
UPLOADS = "/hear"

#: Numbers about all accounts together: for the holder of a token, and for no session.
COUNTS = "/metrics"

#: Nothing but our own files, no script or style within a page, no frame, and no text taken for markup by a script.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # The address of an interaction is nobody else's business. Of our own forms the browser still tells the origin.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    # What was said must not stay in a browser's files after its deletion.
    "cache-control": "no-store",
}

_SAFE = {"GET", "HEAD", "OPTIONS"}


class Guard:
    """Stands before the rooms."""

    def __init__(self, app: ASGIApp, door: Door, hosts: Iterable[str], cookie: str, *, tls: bool) -> None:
        """`hosts` are the values of the Host header that are ours, `cookie` is the session cookie's name."""
        self._app, self._door, self._hosts, self._cookie = app, door, frozenset(hosts), cookie
        scheme = "https" if tls else "http"
        self._origins = {f"{scheme}://{host}" for host in self._hosts}
        self._headers = HEADERS | ({"strict-transport-security": "max-age=31536000"} if tls else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what may not pass; let the rest through."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, self._dressed(send, scope))
            return
        limit = MAX_UPLOAD_BYTES if scope["path"].endswith(UPLOADS) else MAX_FORM_BYTES
        await self._app(scope, _measured(receive, limit), self._dressed(send, scope))

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        # Another name that leads to this machine (DNS rebinding) must not make us another site's own.
        if headers.getlist("host") not in [[host] for host in self._hosts]:
            return _answer(421, "This page has another address.")
        session = self._door.session(_cookie(headers, self._cookie))
        scope.setdefault("state", {})["session"] = session
        if scope["path"] == COUNTS:
            return self._no_counts(scope["method"], headers.get("authorization", ""))
        open_to_all = scope["path"].startswith("/static/") or scope["path"] == "/enter"
        if session is None and not open_to_all:
            return _answer(401, "This page opens with the link that cloud-stub prints in its terminal.")
        if scope["method"] not in _SAFE:
            origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
            if (origin is not None and origin not in self._origins) or site not in {"same-origin", "none"}:
                return _answer(403, "That came from another site.")
            length = headers.get("content-length", "0")
            limit = MAX_UPLOAD_BYTES if scope["path"].endswith(UPLOADS) else MAX_FORM_BYTES
            if not length.isdigit() or int(length) > limit:
                return _answer(413, f"That is too long: at most {limit} bytes.")
        return None

    def _no_counts(self, method: str, authorization: str) -> ASGIApp | None:
        if not self._door.counts_for(authorization):
            return _answer(401, "The counts are for whoever sends the token in cloud/metrics-token.")
        return None if method in _SAFE else _answer(405, "The counts can only be read.")

    def _dressed(self, send: Send, scope: Scope) -> Send:
        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                if scope["path"].startswith("/static/"):
                    headers["cache-control"] = "no-cache"
            await send(message)

        return dressed


def _measured(receive: Receive, limit: int) -> Receive:
    """The request's body, as long as it is not longer than that, whatever its headers say."""
    taken = 0

    async def measured() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise HTTPException(413, f"That is too long: at most {limit} bytes.")
        return message

    return measured


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _answer(status: int, text: str) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await _plain(status, text, scope, receive, send)

    return answer


async def _plain(status: int, text: str, scope: Scope, receive: Receive, send: Send) -> None:
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<title>Residual Echo</title><link rel="stylesheet" href="/static/page.css"></head>'
        f"<body><main><h1>Residual Echo</h1><p>{text}</p></main></body></html>"
    )
    await HTMLResponse(page, status)(scope, receive, send)
