"""Serves the page beside the broker's messages, in a thread of its own."""

import ipaddress
import secrets
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from cryptography import x509

from cloud_stub import accounts, durable
from cloud_stub.contract.address import BrokerAddress
from cloud_stub.errors import CloudError
from cloud_stub.page.app import application
from cloud_stub.page.context import Page
from cloud_stub.page.desk import Desk
from cloud_stub.page.door import Door
from cloud_stub.page.guard import Guard
from cloud_stub.page.wire import Wire

DEFAULT_PORT = 8019
DEFAULT = f"127.0.0.1:{DEFAULT_PORT}"
PASSWORD_LENGTH = 12


@dataclass(frozen=True)
class Where:
    """Where the page is served, and what protects it."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    password: str | None = None
    fixed: bool = True
    """False where another port will do if this one is taken."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine gets there."""
        return ipaddress.ip_address(self.host).is_loopback

    def listen(self) -> socket.socket:
        """A socket that listens there. Raises CloudError where it cannot."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            return socket.create_server((self.host, self.port), family=family)
        except OSError as error:
            if not self.fixed:
                return socket.create_server((self.host, 0), family=family)
            raise CloudError(
                f"the page cannot be served on {self.host}:{self.port}: {error.strerror}. Choose another address with "
                "--http, or use --no-page."
            ) from error

    def names(self) -> list[str]:
        """The names and addresses under which a browser may come."""
        if self.certificate is None:
            return ["127.0.0.1", "localhost", "[::1]"] if self.loopback else [_bracketed(self.host)]
        certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return []
        found = [*names.get_values_for_type(x509.DNSName), *names.get_values_for_type(x509.IPAddress)]
        return [_bracketed(str(name)) for name in found]


def where(http: str | None, certificate: Path | None, key: Path | None, password_file: Path | None) -> Where:
    """The address and its protection, checked. Raises CloudError naming what is missing."""
    host, _, port = (http or DEFAULT).rpartition(":")
    host = host.removeprefix("[").removesuffix("]").replace("localhost", "127.0.0.1")
    try:
        ipaddress.ip_address(host)
        known = port.isdecimal() and int(port) <= 65535
    except ValueError:
        known = False
    if not known:
        raise CloudError(f"{http!r} is no address for the page. Write --http 127.0.0.1:{DEFAULT_PORT}")
    password = None
    try:
        if password_file is not None:
            password = password_file.read_text("utf-8").strip()
        found = Where(host, int(port), certificate, key, password, fixed=http is not None)
        if certificate is not None and not found.names():
            raise CloudError(f"{certificate} names no host (subjectAltName). Make one that does.")
        if certificate is not None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:
        raise CloudError(f"certificate, key or password cannot be read: {error}. Give PEM files and a text.") from error
    if password is not None and len(password) < PASSWORD_LENGTH:
        raise CloudError(f"the page's password is too short. Give {PASSWORD_LENGTH} characters at least.")
    if not found.loopback and (certificate is None or password is None):
        raise CloudError(
            f"{host} can be reached from other machines, so the page needs TLS and a password there: "
            "--http-certificate FILE --http-key FILE --http-password-file FILE. Or serve it on 127.0.0.1."
        )
    return found


class PageServer:
    """The page at work."""

    def __init__(self, desk: Desk, broker: BrokerAddress, place: Where, *, quiet: bool) -> None:
        """Listens, and answers when `start` is called. With `quiet` no link but the first is printed."""
        self._quiet, self._place = quiet, place
        self._socket = place.listen()
        # Connections inherit it; asyncio sets it only on sockets of its own. Without, an answer waits for 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = self._socket.getsockname()[1]
        self.links: dict[str, str] = {}
        """The first link of each account."""
        with desk.house() as house:
            token = _token(house.stores.folder / "metrics-token")
        self._door = Door(place.password, self._announce, token)
        self._wire = Wire(desk, broker)
        tls = place.certificate is not None
        page = Page(desk, self._wire, self._door, f"residual_echo_{self.port}", tls)
        hosts = [f"{name}:{self.port}" for name in place.names()]
        if self.port == (443 if tls else 80):
            hosts += place.names()
        config = uvicorn.Config(
            Guard(application(page), self._door, hosts, page.cookie, tls=tls),
            log_level="warning",
            access_log=False,  # it would name interactions, and what was searched for
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
            ssl_certfile=place.certificate,
            ssl_keyfile=place.key,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="page", daemon=True)
        with desk.house() as house, house.stores.read() as connection:
            for name in accounts.known(connection):
                self._door.offer(name)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End every connection, and the thread."""
        self._wire.close()
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _announce(self, account: str, token: str) -> None:
        scheme = "https" if self._place.certificate else "http"
        link = f"{scheme}://{self._place.names()[0]}:{self.port}/enter?link={token}"
        if account not in self.links:
            self.links[account] = link
        elif not self._quiet:
            print(f"  the page was opened; the next link for {account}: {link}", flush=True)


def _token(file: Path) -> str:
    """The token in that file, which only its owner reads; made where there is none."""
    durable.create(file, secrets.token_urlsafe(32).encode())
    return file.read_text("utf-8").strip()


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name and not name.startswith("[") else name
