"""The embedded MQTT broker for demonstrations and tests: amqtt in a thread, on 127.0.0.1 only.

It carries messages and promises nothing about durability (measured: a returning session gets nothing it missed), so no
promise of this project rests on it. For anything else use a real broker with --broker.
"""

import asyncio
import contextlib
import logging
import socket
import sys
import threading

from amqtt.broker import Broker
from amqtt.errors import BrokerError

from cloud_stub.contract.address import BrokerAddress
from cloud_stub.errors import CloudError

HOST = "127.0.0.1"


class EmbeddedBroker:
    """Starts listening in the constructor; `address` says where."""

    def __init__(self, port: int = 0) -> None:
        """On that port of 127.0.0.1, 0 for any free one. Raises CloudError where it is taken."""
        # amqtt logs payloads at DEBUG and connection noise at INFO; words must not reach a log.
        logging.getLogger("amqtt").setLevel(logging.ERROR)
        logging.getLogger("transitions").setLevel(logging.ERROR)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="embedded-broker", daemon=True)
        self._thread.start()
        self.address = BrokerAddress(HOST, port or _free_port())
        self._broker = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()

    async def _start(self) -> Broker:
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{self.address.port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        try:
            await broker.start()
        except BrokerError as error:
            raise CloudError(
                f"the embedded broker cannot listen at {self.address}: {error}. Stop what does, or choose --port."
            ) from error
        return broker

    def stop(self) -> None:
        """Close every connection and end the thread."""
        with contextlib.suppress(BrokerError, TimeoutError):
            asyncio.run_coroutine_threadsafe(self._broker.shutdown(), self._loop).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def main() -> None:
    """Print the address of a broker on a free port; it ends with its standard input, and so with whoever started it."""
    broker = EmbeddedBroker()
    print(broker.address, flush=True)
    sys.stdin.read()
    broker.stop()


if __name__ == "__main__":
    main()
