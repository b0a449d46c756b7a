"""The TLS identity of the forge: a certificate authority kept in two files, and a server certificate made at each start.

For loopback use. Not a general authority: it signs this one server.
"""

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .store import replace_file

AUTHORITY_LIFE = datetime.timedelta(days=3650)
SERVER_LIFE = datetime.timedelta(days=397)  # the longest that strict clients accept
BACKDATED = datetime.timedelta(hours=1)  # clocks of clients may be behind


class BadAuthority(Exception):
    """The files given for the certificate authority cannot be used."""


def ensure_authority(cert_file: Path, key_file: Path, now: datetime.datetime) -> None:
    """Create the authority's certificate and key (PEM) unless both are there. Blocking."""
    if cert_file.exists() and key_file.exists():
        return
    if cert_file.exists() or key_file.exists():
        raise BadAuthority(f"certificate authority: only one of {cert_file} and {key_file} exists")
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("fleetloop local authority")
    builder = _builder(name, name, key.public_key(), now, AUTHORITY_LIFE)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
    key_file.parent.mkdir(parents=True, exist_ok=True)
    cert_file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(key_file, _key_pem(key))
    replace_file(cert_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def server_context(cert_file: Path, key_file: Path, folder: Path, names: Sequence[str], now: datetime.datetime) -> ssl.SSLContext:
    """A server context with a new certificate for `names` (host names and addresses), signed by the authority.

    The certificate and its key are left in `folder`. Blocking; raises BadAuthority.
    """
    try:
        authority = x509.load_pem_x509_certificate(cert_file.read_bytes())
        signer = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (ValueError, TypeError, OSError) as error:
        raise BadAuthority(f"certificate authority: {cert_file} or {key_file} cannot be read: {error}") from error
    if not isinstance(signer, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise BadAuthority(f"certificate authority: {key_file} must hold an RSA or elliptic curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    builder = _builder(_name("fleetloop local forge"), authority.subject, key.public_key(), now, SERVER_LIFE)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    for extension in (alternatives, usage, issuer):
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.sign(signer, hashes.SHA256())
    folder.mkdir(parents=True, exist_ok=True)
    chain = certificate.public_bytes(serialization.Encoding.PEM) + authority.public_bytes(serialization.Encoding.PEM)
    replace_file(folder / "server.pem", chain, 0o644)
    replace_file(folder / "server.key", _key_pem(key))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime.datetime,
    life: datetime.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + life)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
