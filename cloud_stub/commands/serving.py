"""The serve command."""

import argparse
import json
import logging
import sys

from cloud_stub import serve
from cloud_stub.commands.common import data_folder, time_zone
from cloud_stub.contract.address import BrokerAddress
from cloud_stub.errors import CloudError
from cloud_stub.house import open_house


def run(options: argparse.Namespace) -> int:
    """Take messages from a broker and store them, until stopped."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    zone = time_zone(options)
    share = options.training_share
    if not 0 <= share <= 1:
        raise CloudError(f"--training-share {share} is no share. Give a number from 0 to 1.")
    data = data_folder(options)
    with (
        serve.lock(data),
        open_house(data, options.policy, create=True, simulated=options.simulated_clock or False) as house,
    ):
        embedded = None
        if options.embedded_broker:
            from cloud_stub.broker import EmbeddedBroker  # noqa: PLC0415 - only where one is wanted

            embedded = EmbeddedBroker(options.port)
        where = embedded.address if embedded else _address(options.broker)
        server = serve.Server(house, where, zone, share, options.broker_pid)
        ready = {"ready": True, "broker": str(where), "data": str(data), "policy": house.policy.name}
        if options.json:
            print(json.dumps(ready), flush=True)
        else:
            print(f"cloud-stub serves {where}\n  data    {data}\n  policy  {house.policy.name}: {house.policy.title}")
            print("  stop with Ctrl-C", flush=True)
        serve.run_until_signalled(server)
        if embedded:
            embedded.stop()
    return 0


def _address(url: str) -> BrokerAddress:
    try:
        return BrokerAddress.parse(url)
    except ValueError as error:
        raise CloudError(str(error)) from error
