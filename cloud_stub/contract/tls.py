"""TLS with the broker: which authority is trusted, and what to do where that fails; for device and cloud alike."""

import os
import ssl
from dataclasses import replace
from pathlib import Path

from cloud_stub.contract.address import BrokerAddress

#: In the environment, the file that --ca-file would name.
CA_FILE = "RESIDUAL_ECHO_CA_FILE"


def with_authority(address: BrokerAddress, ca_file: Path | None) -> BrokerAddress:
    """The address, with the authority that was given by --ca-file or else by the environment.

    Raises ValueError where an option names one for a broker without TLS.
    """
    if not address.tls:
        if ca_file is not None:
            raise ValueError(f"--ca-file is given, but {address} is without TLS. Write mqtts://{address.host}.")
        return address
    named = ca_file or os.environ.get(CA_FILE)
    return replace(address, ca_file=Path(named) if named else None)


def context(ca_file: Path | None) -> ssl.SSLContext:
    """A context that verifies the broker by that authority, or by the system's. Raises ValueError naming the file."""
    if ca_file is not None and not ca_file.is_file():
        raise ValueError(f"there is no file {ca_file}, which TLS is to use. Check the path.")
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise ValueError(f"{ca_file} is no certificate of an authority (PEM). Give another with --ca-file.") from error
    except OSError as error:
        raise ValueError(f"{ca_file} cannot be read: {error.strerror}. Let this user read it.") from error


def tls_problem(address: BrokerAddress, error: BaseException) -> str | None:
    """Why there is no TLS with the broker, and the remedy; None where something else is wrong."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the broker at {address} does not prove who it is: {error.verify_message}. Give the certificate of the "
            "authority that signed its own with --ca-file."
        )
    if isinstance(error, ssl.SSLError) or (address.tls and isinstance(error, ConnectionResetError)):
        reason = (getattr(error, "reason", "") or str(error)).lower().replace("_", " ")
        return f"no TLS with {address}: {reason}. Is that port one for TLS?"
    return None
