"""The files that TLS with the broker needs, and what they are made into."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from cloud_stub.contract.tls import context as verifying
from device.errors import EchoError


@dataclass(frozen=True)
class Tls:
    """The files that TLS needs beyond the system's own certificate authorities; None where it needs none."""

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


def context(tls: Tls) -> ssl.SSLContext:
    """A context that verifies the broker. Raises EchoError naming the file that cannot be used."""
    if (tls.certificate is None) != (tls.key is None):
        given, wanted = ("--certificate", "--key") if tls.certificate else ("--key", "--certificate")
        raise EchoError(f"{given} is given without {wanted}. A client certificate needs both.")
    for file in (tls.certificate, tls.key):
        if file is not None and not file.is_file():
            raise EchoError(f"there is no file {file}, which TLS is to use. Check the path.")
    try:
        made = verifying(tls.ca_file)
    except ValueError as error:
        raise EchoError(str(error)) from error
    if tls.certificate is not None:
        try:
            made.load_cert_chain(tls.certificate, tls.key)
        except ssl.SSLError as error:
            raise EchoError(
                f"{tls.certificate} and {tls.key} are no certificate and its key (PEM). Give others with --certificate "
                "and --key."
            ) from error
    return made
