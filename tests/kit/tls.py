"""A certificate authority of a test's own, and the pairs it makes for servers and clients."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Pair:
    """PEM."""

    cert: bytes
    key: bytes


class Authority:
    """`ca` is what clients trust."""

    def __init__(self, name: str = "Test CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        basic = (x509.BasicConstraints(ca=True, path_length=None), True)
        self._cert = _builder(self._name, self._name, self._key, [basic]).sign(self._key, hashes.SHA256())
        self.ca = self._cert.public_bytes(serialization.Encoding.PEM)

    def pair(self, host: str = "127.0.0.1") -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            names: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            names = x509.DNSName(host)
        builder = _builder(_name(host), self._name, key, [(x509.SubjectAlternativeName([names]), False)])
        cert = builder.sign(self._key, hashes.SHA256())
        plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Pair(cert.public_bytes(serialization.Encoding.PEM), key.private_bytes(*plain))

    def server_context(self, folder: Path, host: str = "127.0.0.1", *, clients: bytes = b"") -> ssl.SSLContext:
        """For a server at `host`; `clients`: the authority whose clients alone are let in."""
        made = self.pair(host)
        file = folder / f"server-{host}.pem"
        file.write_bytes(made.cert + made.key)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=clients.decode())
        return context


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder
