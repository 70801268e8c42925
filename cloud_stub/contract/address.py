"""A broker's address, as every program of the house takes it."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

DEFAULT = "mqtt://127.0.0.1:1883"


@dataclass(frozen=True)
class BrokerAddress:
    """Where a broker listens, and who we are there."""

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, url: str) -> "BrokerAddress":
        """From mqtt://[user:password@]host[:port], or mqtts:// for TLS. Raises ValueError naming the form."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname or port == -1 or parts.path.strip("/"):
            raise ValueError(f"broker {url!r} is no address. Write mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS.")
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
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"
