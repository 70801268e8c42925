"""A certificate authority of one's own, and the certificates that it signs, as PEM files in a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloud_stub import durable
from cloud_stub.errors import CloudError

#: An authority outlives its devices; a broker's certificate is signed anew well before this.
AUTHORITY_DAYS, SIGNED_DAYS = 3650, 800


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates. `file` is its own; whoever has the key beside it can be anybody's broker."""

    def __init__(self, folder: Path, name: str) -> None:
        """The one in that folder, made where there is none yet. Raises CloudError where its files cannot be read."""
        durable.make_folder(folder)
        self._folder, self.file, secret = folder, folder / f"{name}.pem", folder / f"{name}.key"
        if not self.file.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            durable.replace(secret, _pem(key), secret=True)
            durable.replace(self.file, _certificate_of_itself(name, key).public_bytes(Encoding.PEM))
        try:
            loaded = load_pem_private_key(secret.read_bytes(), password=None)
            self._certificate = x509.load_pem_x509_certificate(self.file.read_bytes())
        except (OSError, ValueError) as error:
            raise CloudError(
                f"the authority in {folder} cannot be read: {error}. Remove {self.file.name} and {secret.name} to "
                "begin anew; every device then needs the new one."
            ) from error
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise CloudError(f"{secret} is no key of ours. Choose another folder.")
        self._key = loaded

    def sign(self, name: str, hosts: Sequence[str] = ("127.0.0.1",)) -> Pair:
        """A certificate in that name, for these host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = (
            _builder(name, self._certificate.subject, key, SIGNED_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        durable.replace(pair.key, _pem(key), secret=True)
        durable.replace(pair.certificate, made.public_bytes(Encoding.PEM))
        return pair


def hosts(certificate: Path) -> list[str]:
    """The host names and addresses that it was signed for. Raises CloudError where it cannot be read."""
    try:
        loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise CloudError(f"{certificate} cannot be read: {error}. Remove it, and a new one is signed.") from error
    return [str(name.value) for name in names]


def _certificate_of_itself(name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signs = {"key_cert_sign": True, "crl_sign": True}
    others = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    usage = x509.KeyUsage(**signs, **dict.fromkeys(others, False), encipher_only=False, decipher_only=False)
    return (
        _builder(name, subject, key, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
