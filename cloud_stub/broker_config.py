"""Writes a ready Mosquitto configuration: TLS, a password and an ACL for each device, nothing lost while one is away.

Devices come in by TLS from anywhere, the cloud by loopback. What a device may do follows from its user name alone,
which is its client id too, so that no device can take another's session.
"""

import hashlib
import os
import re
import secrets
import shutil
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud_stub import durable
from cloud_stub.certificates import Authority, hosts
from cloud_stub.contract.address import BrokerAddress
from cloud_stub.contract.messages import DEVICE_PATTERN, MAX_RECORDING_BYTES
from cloud_stub.errors import CloudError

CLOUD = "cloud"

#: Mosquitto 2's own number. The passwords are random, of 192 bits: more rounds would protect nothing.
_ROUNDS = 101

_CONF = """\
# Written by cloud-stub broker-config, which writes it anew when it is run again.
# Devices: TLS, each with its own password. The user name is the client id, so that nobody takes another's session.
listener {port}
cafile {folder}/ca.pem
certfile {folder}/broker.crt
keyfile {folder}/broker.key
use_username_as_clientid true

# The cloud, on this machine.
listener {cloud_port} 127.0.0.1

allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/acl

persistence true
persistence_location {folder}/
pid_file {folder}/mosquitto.pid

# The default of 1000 drops what a slower subscriber has not taken yet; 0 drops nothing.
max_queued_messages 0
# As many on their way as the cloud can take at once: its batches fill.
max_inflight_messages 0
# A small message is sent at once: it would wait 40 ms for the last one's acknowledgement.
set_tcp_nodelay true
# A device cannot make the broker hold more in one message than a recording.
message_size_limit {largest}
# Sessions of clients that never come back are not kept for ever. Devices and cloud repeat what is unanswered.
persistent_client_expiration 60d
"""

_ACL = """\
# %u is the user's name: a device speaks and listens on its own topics alone.
pattern write echo/v1/%u/event/#
pattern write echo/v1/%u/state
pattern read echo/v1/%u/directive/+
pattern read echo/v1/%u/control/+
{more}
user {cloud}
topic read echo/v1/+/event/#
topic write echo/v1/+/event/#
topic write echo/v1/+/directive/+
topic readwrite partner/v1/#
"""


@dataclass(frozen=True)
class Held:
    """By which names and at which ports the broker of a folder is found; where there is none yet, the usual ports."""

    hosts: list[str]
    port: int = 8883
    cloud_port: int = 1883


def held(folder: Path) -> Held:
    """What an earlier run has written there. Raises CloudError where that cannot be read."""
    if not (folder / "mosquitto.conf").exists() or not (folder / "broker.crt").exists():
        return Held([])
    try:
        ports = re.findall(r"^listener (\d+)", (folder / "mosquitto.conf").read_text("utf-8"), re.MULTILINE)
    except (OSError, UnicodeDecodeError) as error:
        raise CloudError(f"{folder}/mosquitto.conf cannot be read: {error}. Remove it to begin anew.") from error
    return Held(hosts(folder / "broker.crt"), *map(int, ports[:2]))


def write(
    folder: Path, devices: Sequence[str], names: Sequence[str], port: int, cloud_port: int, *, home_assistant: bool
) -> list[str]:
    """Write everything into the folder; a device that has a password there keeps it, and so does the authority.

    Returns the devices there are now. `names` are the broker's, for its certificate; devices are given the first.
    Raises CloudError where a device's name is none, or the folder cannot be written.
    """
    for name in devices:
        if not re.match(DEVICE_PATTERN, name) or name == CLOUD:
            raise CloudError(f"{name!r} is no name for a device. Use lower-case letters, digits, - and _, up to 64.")
    if any(mark in str(folder) for mark in "\n\r") or str(folder) != str(folder).strip():
        raise CloudError("Mosquitto cannot read a path with such white space in it. Choose another folder.")
    try:
        durable.make_folder(folder / "devices")
        folder.chmod(0o700)
        Authority(folder, "ca").sign("broker", names)
        _passwords(folder, [CLOUD, *devices], BrokerAddress(names[0], port, tls=True), cloud_port)
        more = "pattern write homeassistant/+/residual_echo_%u/#\n" if home_assistant else ""
        durable.replace(folder / "acl", _ACL.format(cloud=CLOUD, more=more).encode())
        settings = _CONF.format(folder=folder, port=port, cloud_port=cloud_port, largest=MAX_RECORDING_BYTES + 100_000)
        durable.replace(folder / "mosquitto.conf", settings.encode())
        _hand_over(folder)
    except OSError as error:
        raise CloudError(f"{folder} cannot be written: {error}. Choose another folder.") from error
    return sorted(file.stem for file in (folder / "devices").glob("*.toml"))


def _passwords(folder: Path, users: Sequence[str], address: BrokerAddress, cloud_port: int) -> None:
    """A password for each user that has none yet; where it stands in plain, its user alone should be able to read.

    The files of those who have one are told where the broker is now; what else stands in them is left alone.
    """
    file = folder / "passwords"
    lines = file.read_text().splitlines() if file.exists() else []
    known = {line.partition(":")[0] for line in lines}
    for user in dict.fromkeys([*users, *known]):
        own = folder / ("cloud.broker" if user == CLOUD else f"devices/{user}.toml")
        scheme, _, place = str(BrokerAddress("127.0.0.1", cloud_port) if user == CLOUD else address).partition("://")
        if user in known:
            before = own.read_text("utf-8") if own.exists() else ""  # it may have gone to the device
            found = re.search(rf'{scheme}://{user}:[^@"\s]+@([^"\s]+)', before)
            if found is None or found[1] == place:
                continue
            text = before[: found.start(1)] + place + before[found.end(1) :]
        else:
            password = secrets.token_urlsafe(24)
            lines.append(f"{user}:{_hashed(password)}")
            text = f"{scheme}://{user}:{password}@{place}"
            if user != CLOUD:
                text = f'device = "{user}"\nbroker = "{text}"\nca_file = "{folder}/ca.pem"\n'
        durable.replace(own, text.encode(), secret=True)
    durable.replace(file, "".join(f"{line}\n" for line in lines).encode(), secret=True)


def _hashed(password: str) -> str:
    """As mosquitto_passwd of Mosquitto 2 writes it: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(12)
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS, 64)
    return f"$7${_ROUNDS}${b64encode(salt).decode()}${b64encode(made).decode()}"


def _hand_over(folder: Path) -> None:
    """Root's Mosquitto runs as a user of its own, who has to read this, and not the authority's key."""
    if os.name != "posix" or os.geteuid() != 0:
        return
    import pwd  # noqa: PLC0415 - only where there is one

    try:
        pwd.getpwnam("mosquitto")
    except KeyError:
        return
    for name in (".", "mosquitto.conf", "passwords", "acl", "ca.pem", "broker.crt", "broker.key"):
        shutil.chown(folder / name, "mosquitto")
