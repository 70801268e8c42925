"""The broker-config command."""

import argparse
import socket

from cloud_stub import broker_config


def config(options: argparse.Namespace) -> int:
    """Write a Mosquitto configuration, and say how to use it."""
    folder = options.folder.absolute()
    held = broker_config.held(folder)
    devices = broker_config.write(
        folder,
        options.device or ["kitchen"],
        options.host or held.hosts or list(dict.fromkeys(["localhost", "127.0.0.1", socket.gethostname()])),
        options.port or held.port,
        options.cloud_port or held.cloud_port,
        home_assistant=options.home_assistant,
    )
    print(f"mosquitto -c {folder}/mosquitto.conf")
    print(f"cloud-stub serve --broker @{folder}/cloud.broker")
    for device in devices:
        print(f"echo-device run --config {folder}/devices/{device}.toml")
    return 0
