"""The cloud's and the third parties' way to the broker: one paho client, set up one way."""

import socket
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.tls import context, tls_problem
from cloud_stub.errors import CloudError


def client(
    client_id: str, address: BrokerAddress, *, manual_ack: bool = False, keeps_session: bool = True
) -> mqtt.Client:
    """A client, with a session that the broker keeps; with `manual_ack` it acknowledges when told to, after commit.

    MQTT 3.1.1, because the embedded broker speaks no other; connect it with `connect`. Raises CloudError where the
    authority's file cannot be used.
    """
    made = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=not keeps_session,
        protocol=mqtt.MQTTv311,
        manual_ack=manual_ack,
    )
    if address.user is not None:
        made.username_pw_set(address.user, address.password)
    if address.tls:
        try:
            made.tls_set_context(context(address.ca_file))
        except ValueError as error:
            raise CloudError(str(error)) from error
    made.on_socket_open = _at_once
    made.max_queued_messages_set(0)
    made.max_inflight_messages_set(100)
    made.reconnect_delay_set(min_delay=1, max_delay=30)
    return made


def connect(made: mqtt.Client, address: BrokerAddress) -> None:
    """Connect and start the client's thread, which reconnects from then on. Raises CloudError where nobody listens."""
    try:
        made.connect(address.host, address.port, keepalive=30)
    except (OSError, ValueError) as error:
        raise CloudError(
            tls_problem(address, error)
            or f"no MQTT broker at {address}: {error}. Start one (mosquitto -p {address.port}), give its address with "
            "--broker mqtt://HOST:PORT, or use --embedded-broker."
        ) from error
    made.loop_start()


def keep_connecting(made: mqtt.Client, address: BrokerAddress) -> None:
    """Start the client's thread, which connects as soon as somebody listens, and whenever it has lost the broker."""
    made.connect_async(address.host, address.port, keepalive=30)
    made.loop_start()


def _at_once(_client: mqtt.Client, _userdata: object, sock: Any) -> None:
    """Let the kernel send a small message before the last one is acknowledged: it would wait 40 ms for that."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
