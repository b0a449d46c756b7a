"""Keys and certificates of the local servers. One authority a cluster, so that no cluster trusts another's people.

Only the authority's and the service accounts' keys are kept; everything else is issued anew at each start and lives
a year, so that nothing expires in a folder that is used for longer.
"""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fleetloop.local.state import write_private

AUTHORITY_DAYS = 3650
LEAF_DAYS = 365
CLOCK_SKEW = datetime.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, PEM."""

    certificate: str
    key: str

    def write(self, folder: Path, name: str) -> None:
        write_private(folder / f"{name}.key", self.key)
        write_private(folder / f"{name}.crt", self.certificate)


class Authority:
    """Issues certificates for servers and clients."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def ensure(cls, folder: Path, name: str) -> "Authority":
        """The authority of `ca.crt` and `ca.key` in the folder, made when there is none."""
        certificate, key = folder / "ca.crt", folder / "ca.key"
        if not certificate.exists():  # written last
            cls._create(name).write(folder, "ca")
        loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key} is not an elliptic curve key")
        return cls(x509.load_pem_x509_certificate(certificate.read_bytes()), loaded)

    @property
    def pem(self) -> str:
        return _pem(self._certificate)

    def issue_server(self, name: str, hosts: Sequence[str]) -> Pair:
        """`hosts`: DNS names and IP addresses the server answers to."""
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        return self._issue(_subject(name), ExtendedKeyUsageOID.SERVER_AUTH, names)

    def issue_client(self, user: str, groups: Sequence[str]) -> Pair:
        """Kubernetes reads the user from the common name and the groups from the organizations."""
        return self._issue(_subject(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _issue(self, subject: x509.Name, usage: x509.ObjectIdentifier, names: x509.SubjectAlternativeName | None) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self._certificate.subject, key.public_key(), LEAF_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        if names:
            builder = builder.add_extension(names, critical=False)
        return Pair(_pem(builder.sign(self._key, hashes.SHA256())), _key_pem(key))

    @staticmethod
    def _create(name: str) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(name)
        builder = _builder(subject, subject, key.public_key(), AUTHORITY_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        builder = builder.add_extension(_SIGNS_CERTIFICATES, critical=True)
        return Pair(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def ensure_service_account_keys(folder: Path) -> None:
    """`sa.key` signs service account tokens, `sa.pub` verifies them. Kept: tokens outlive a restart."""
    private, public = folder / "sa.key", folder / "sa.pub"
    if public.exists():  # written last
        return
    key = ec.generate_private_key(ec.SECP256R1())
    write_private(private, _key_pem(key))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    write_private(public, key.public_key().public_bytes(serialization.Encoding.PEM, form))


_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _subject(name: str, organizations: Sequence[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
