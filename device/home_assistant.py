"""Home Assistant finds the device by MQTT discovery: a mute switch, the attention state, when it last heard something.

One retained message describes the device (device-based discovery, Home Assistant 2024.11 and later,
https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload). Nothing else is published for it: it reads
the device's own state, which never holds a word of what was said, and mutes by the device's own control topic.
"""

import json
from typing import get_args

from cloud_stub.contract.control import Mute, control_topic
from cloud_stub.contract.messages import Attention, encode, state_topic
from device import __version__


def discovery(device: str) -> tuple[str, bytes]:
    """The topic and the payload, to be published retained at every connect."""
    name = f"residual_echo_{device}"
    components: dict[str, dict[str, str | list[str]]] = {
        "mute": {
            "platform": "switch",
            "name": "Mute",
            "icon": "mdi:microphone-off",
            "command_topic": control_topic(device, Mute.name),
            "payload_on": encode(Mute(on=True)).decode(),
            "payload_off": encode(Mute(on=False)).decode(),
            "value_template": "{{ 'ON' if value_json.muted else 'OFF' }}",
            "state_on": "ON",
            "state_off": "OFF",
        },
        "attention": {
            "platform": "sensor",
            "name": "Attention",
            "device_class": "enum",
            "options": list(get_args(Attention)),
            "value_template": "{{ value_json.attention }}",
        },
        "last_heard": {
            "platform": "sensor",
            "name": "Last heard",
            "device_class": "timestamp",
            "value_template": "{{ value_json.last_heard }}",
        },
    }
    payload = {
        "device": {
            "identifiers": [name],
            "name": f"Echo {device}",
            "manufacturer": "Residual Echo",
            "model": "Emulated smart speaker",
            "sw_version": __version__,
        },
        "origin": {"name": "residual-echo", "sw_version": __version__},
        "state_topic": state_topic(device),
        "availability_topic": state_topic(device),
        "availability_template": "{{ value_json.connection }}",
        "components": {key: {"unique_id": f"{name}_{key}", **value} for key, value in components.items()},
    }
    return f"homeassistant/device/{name}/config", json.dumps(payload).encode()
