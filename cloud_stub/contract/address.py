"""A broker's address, as every program of the house takes it."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

DEFAULT = "mqtt://127.0.0.1:1883"


@dataclass(frozen=True)
class BrokerAddress:
    """Where a broker listens, and who we are there."""

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Whose signature its certificate must have, where that is none of the system's authorities."""

    @classmethod
    def parse(cls, url: str) -> "BrokerAddress":
        """From mqtt://[user:password@]host[:port], or mqtts:// for TLS. Raises ValueError naming the form."""
        # A bad address is repeated without user and password: what is printed ends up in logs.
        shown = url.rpartition("@")[2]
        wrong = ValueError(f"broker {shown!r} is no address. Write mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise wrong from None
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname or port == 0 or parts.path.strip("/"):
            raise wrong
        tls = parts.scheme == "mqtts"
        return cls(
            host=parts.hostname,
            port=port or (8883 if tls else 1883),
            tls=tls,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    def __str__(self) -> str:
        """The address without the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"
