"""The serve command."""

import argparse
import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cloud_stub import quarantine, serve
from cloud_stub.commands.common import broker_address, data_folder, opened, time_zone
from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.extras import install
from cloud_stub.contract.messages import DEVICE_PATTERN
from cloud_stub.errors import CloudError

if TYPE_CHECKING:
    from cloud_stub.page.serving import Where


def run(options: argparse.Namespace) -> int:
    """Take messages from a broker and store them, until stopped."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    zone = time_zone(options)
    share = options.training_share
    if not 0 <= share <= 1:
        raise CloudError(f"--training-share {share} is no share. Give a number from 0 to 1.")
    room = quarantine.checked(options.quarantine_bytes)
    data = data_folder(options)
    worker = _worker(options)
    place = _place(options)
    with (
        serve.lock(data, worker),
        opened(options, create=True, simulated=options.simulated_clock or False) as house,
    ):
        if worker and house.stores.files:
            raise CloudError(
                "SQLite has one writer: several workers need --store postgresql://USER@HOST:PORT/DATABASE."
            )
        embedded = None
        if options.embedded_broker:
            if options.ca_file is not None:
                raise CloudError("--ca-file is given, but the embedded broker is without TLS. Leave it out.")
            from cloud_stub.broker import EmbeddedBroker  # noqa: PLC0415 - only where one is wanted

            embedded = EmbeddedBroker(options.port)
        where = embedded.address if embedded else broker_address(options)
        with _page(options, place, where, zone) as links:
            server = serve.Server(house, where, zone, share, worker, options.broker_pid, room)
            ready = {"ready": True, "broker": str(where), "data": str(data), "policy": house.policy.name}
            if options.json:
                print(json.dumps(ready | {"page": links}), flush=True)
            else:
                print(f"cloud-stub serves {where}\n  data    {data}")
                print(f"  policy  {house.policy.name}: {house.policy.title}")
                for account, link in links.items():
                    print(f"  page    {link}  (opens once, as {account})")
                print("  stop with Ctrl-C", flush=True)
            serve.run_until_signalled(server)
        if embedded:
            embedded.stop()
    return 0


def _place(options: argparse.Namespace) -> "Where | None":
    """Where the page is to be served; None for nowhere. Raises CloudError where that would not be safe."""
    if options.no_page:
        return None
    # Only now: it brings a web server with it.
    try:
        from cloud_stub.page.serving import where  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise CloudError(f"the page needs {error.name}. Use --no-page, or install it: {install('cloud')}") from error
    return where(options.http, options.http_certificate, options.http_key, options.http_password_file)


@contextmanager
def _page(
    options: argparse.Namespace, place: "Where | None", broker: BrokerAddress, zone: ZoneInfo
) -> Iterator[dict[str, str]]:
    """Serve the privacy page while this block runs; yields each account's link, which opens it once."""
    if place is None:
        yield {}
        return
    from cloud_stub.page.desk import Desk  # noqa: PLC0415
    from cloud_stub.page.serving import PageServer  # noqa: PLC0415

    with opened(options) as house:
        page = PageServer(Desk(house, zone), broker, place, quiet=options.json)
        page.start()
        try:
            yield page.links
        finally:
            page.stop()


def _worker(options: argparse.Namespace) -> str | None:
    """The worker's name. Raises CloudError where it is none, or where workers cannot share messages."""
    name: str | None = options.worker
    if name is not None and not re.match(DEVICE_PATTERN, name):
        raise CloudError(f"{name!r} is no name for a worker. Use lower-case letters, digits, - and _, up to 64.")
    if name is not None and options.embedded_broker:
        raise CloudError(
            "the embedded broker cannot share messages between workers. Start one that can (mosquitto -p 1883), and "
            "give its address with --broker."
        )
    return name
