"""The connection to the broker: who we are there, TLS, last will, and coming back after it was lost.

paho's thread reconnects by itself, after pauses that grow and that no two devices share. What changes is said once, by
name and with the remedy; a broker that goes on being away is not news.
"""

import logging
import random
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.tls import tls_problem
from device.errors import EchoError
from device.tls import Tls, context

log = logging.getLogger(__name__)

#: Seconds until the next attempt: the first pause and the longest, each scattered by half of it to both sides.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0

#: Seconds between attempts with a user and password that the broker has refused.
REFUSED_PAUSE_S = 300.0

#: Seconds that a broker may take to answer who we say we are.
LOGIN_S = 10.0

#: Where the person looks who has to mend a login.
LOGIN_REMEDY = "Check the user and password in --broker mqtt://USER:PASSWORD@HOST:PORT."

_REFUSED_LOGIN = {134, 135}  # bad user name or password; not authorised


class Connection:
    """One device's session at the broker. The callbacks run on paho's thread and must not wait."""

    def __init__(
        self,
        client_id: str,
        address: BrokerAddress,
        tls: Tls,
        *,
        will: tuple[str, bytes],
        on_online: Callable[[], None],
        on_message: Callable[[str, bytes, bool], None],
    ) -> None:
        """`on_online()` at every connect, `on_message(topic, payload, retained)`. Raises EchoError for TLS files."""
        self._address = address
        self._on_online = on_online
        self._said = ""
        self._answered = threading.Event()
        self.refused = ""
        """Why the broker refuses our user and password; empty while it does not."""
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, protocol=mqtt.MQTTv311
        )
        if address.user is not None:
            self.client.username_pw_set(address.user, address.password)
        if address.tls:
            self.client.tls_set_context(context(tls))
        elif tls != Tls():
            raise EchoError(f"TLS files are given, but {address} is without TLS. Write mqtts://{address.host}.")
        self.client.will_set(*will, qos=1, retain=True)
        self.client.on_socket_open = _at_once
        self.client.on_connect = self._connected
        self.client.on_connect_fail = self._failed
        self.client.on_disconnect = self._lost
        self.client.on_message = lambda _c, _u, message: on_message(
            message.topic, bytes(message.payload), message.retain
        )
        self._pause(FIRST_PAUSE_S, LONGEST_PAUSE_S)

    @property
    def online(self) -> bool:
        """Whether the broker has taken us."""
        return self.client.is_connected()

    def open(self, *, must: bool) -> None:
        """Connect and stay connected. With `must`, raises EchoError where no broker answers; else keeps trying.

        A broker that refuses us, or that does not prove who it is, raises EchoError in any case: trying again would
        not help.
        """
        try:
            self.client.connect(self._address.host, self._address.port, keepalive=15)
        except (OSError, ValueError) as error:
            problem = self._problem(error)
            if must or isinstance(error, ssl.SSLError):
                raise EchoError(problem) from error
            self._say(logging.WARNING, f"{problem} Until then what is heard waits in the outbox.")
            self._answered.set()
            self.client.connect_async(self._address.host, self._address.port, keepalive=15)
            self.client.loop_start()
            return
        self.client.loop_start()
        self._answered.wait(LOGIN_S)
        if self.refused or (must and not self.online):
            self.close()
            ask = "does it want a --certificate" if self._address.tls else "is it for TLS (mqtts://)"
            mute = f"{self._address} ended the connection, or said nothing. Is it an MQTT broker, and {ask}?"
            raise EchoError(self.refused or mute)

    def close(self) -> None:
        """Leave the broker."""
        self.client.disconnect()
        self.client.loop_stop()

    def _connected(self, _client: mqtt.Client, _userdata: object, _flags: object, reason: object, _p: object) -> None:
        if getattr(reason, "is_failure", False):
            login = getattr(reason, "value", 0) in _REFUSED_LOGIN
            problem = f"the broker at {self._address} refuses us: {reason}."
            if login:
                self.refused = f"{problem} {LOGIN_REMEDY}"
                self._pause(REFUSED_PAUSE_S, REFUSED_PAUSE_S)
            if self._answered.is_set():  # else `open` waits for it, and raises
                self._say(logging.ERROR, self.refused if login else problem)
            self._answered.set()
            return
        if self._said:
            log.warning("online at %s again", self._address)
        self._said, self.refused = "", ""
        self._pause(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._on_online()
        self._answered.set()

    def _failed(self, _client: mqtt.Client, _userdata: object) -> None:
        # paho calls this while it handles the error, and does not pass it on.
        error = sys.exception()
        self._say(logging.WARNING, f"offline: {self._problem(error) if error else 'no connection.'}")

    def _lost(self, _client: mqtt.Client, _userdata: object, _flags: object, reason: object, _p: object) -> None:
        if getattr(reason, "is_failure", False) and not self.refused and self._answered.is_set():
            self._say(logging.WARNING, f"offline: {reason}; what is heard waits in the outbox")
        self._answered.set()

    def _say(self, level: int, text: str) -> None:
        """Log a change. That one is offline for another reason than a moment ago is one only if a person must act."""
        urgent = level == logging.ERROR or "--ca-file" in text
        if not self._said or (urgent and text != self._said):
            log.log(level, "%s", text)
            self._said = text

    def _pause(self, first: float, longest: float) -> None:
        """Set paho's pauses between attempts, scattered: after a power cut not all devices of a house come at once."""
        scatter = random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        self.client.reconnect_delay_set(first * scatter, longest * scatter)  # type: ignore[arg-type] # may be fractions

    def _problem(self, error: BaseException) -> str:
        where = self._address
        return tls_problem(where, error) or (
            f"no MQTT broker at {where}: {error}. Start one (mosquitto -p {where.port}), or give its address with "
            "--broker mqtt://HOST:PORT."
        )


def _at_once(_client: mqtt.Client, _userdata: object, sock: Any) -> None:
    """Let the kernel send a small message before the last one is acknowledged: it would wait 40 ms for that."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
