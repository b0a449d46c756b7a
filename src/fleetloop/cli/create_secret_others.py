"""The `create secret` verbs with a few fields each: tls, helm, oci, proxy, receiver, githubapp."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass

from fleetloop.cli.command import flag
from fleetloop.cli.context import Context
from fleetloop.cli.create_secret import CreateSecret, SecretContent
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.files import read_file
from fleetloop.cli.goflags import choice

WEBHOOK = "notification.toolkit.fluxcd.io/webhook"
RECEIVERS = (
    *("generic", "generic-hmac", "github", "gitlab", "bitbucket", "harbor", "dockerhub", "quay", "gcr", "nexus", "acr"),
    "cdevents",
)


@dataclass(frozen=True)
class TlsFlags:
    """Files of certificates, all optional."""

    certificate: str
    key: str
    authority: str

    def content(self) -> SecretContent:
        """Without any, no data. Raises CliError for half a pair, or one that does not fit."""
        if self.certificate and not self.key:
            raise CliError("found certificate but missing private key")
        if self.key and not self.certificate:
            raise CliError("found private key but missing certificate")
        ca = {"ca.crt": read_file(self.authority).decode()} if self.authority else {}
        if not self.certificate:
            return SecretContent(ca, "Opaque" if ca else "")
        certificate, key = read_file(self.certificate), read_file(self.key)
        _check_pair(certificate, key)
        return SecretContent({"tls.crt": certificate.decode(), "tls.key": key.decode()} | ca, "kubernetes.io/tls")


@dataclass(frozen=True)
class CreateSecretTls(CreateSecret):
    """Create or update a Secret with TLS certificates.

    Examples:
      fleetloop create secret tls certs --tls-crt-file=./client.crt --tls-key-file=./client.key --ca-crt-file=./ca.crt
    """

    word = "tls"

    tls_crt_file: str = flag("--tls-crt-file", help="client certificate")
    tls_key_file: str = flag("--tls-key-file", help="private key of the client certificate")
    ca_crt_file: str = flag("--ca-crt-file", help="CA certificate")

    def content(self, cx: Context) -> SecretContent:
        found = TlsFlags(self.tls_crt_file, self.tls_key_file, self.ca_crt_file).content()
        if not found.data:
            raise CliError("no CA certificate or client certificate pair found")
        return found


@dataclass(frozen=True)
class CreateSecretHelm(CreateSecret):
    """Create or update a Secret with the credentials of a Helm repository.

    Examples:
      fleetloop create secret helm charts --username=me --password=$TOKEN
    """

    word = "helm"

    username: str = flag("--username", "-u", help="user name")
    password: str = flag("--password", "-p", help="password")
    tls_crt_file: str = flag("--tls-crt-file", help="client certificate")
    tls_key_file: str = flag("--tls-key-file", help="private key of the client certificate")
    ca_crt_file: str = flag("--ca-crt-file", help="CA certificate")

    def check_content(self) -> None:
        if self.username and not self.password:
            raise UsageError("password is required")
        if self.password and not self.username:
            raise UsageError("username is required")

    def content(self, cx: Context) -> SecretContent:
        """⚠ CLI20: with a client certificate the user is left out."""
        certificates = TlsFlags(self.tls_crt_file, self.tls_key_file, self.ca_crt_file).content()
        if "tls.crt" in certificates.data or not self.username:
            return certificates
        user = {"username": self.username, "password": self.password}
        return SecretContent(user | certificates.data, "kubernetes.io/basic-auth")


@dataclass(frozen=True)
class CreateSecretOci(CreateSecret):
    """Create or update an image pull Secret for an OCI registry.

    Examples:
      fleetloop create secret oci registry --url=registry.example.com --username=me --password=$TOKEN
    """

    word = "oci"

    url: str = flag("--url", help="the registry, as in registry.example.com")
    username: str = flag("--username", "-u", help="user name")
    password: str = flag("--password", "-p", help="password")

    def check_content(self) -> None:
        for name, value in (("url", self.url), ("username", self.username), ("password", self.password)):
            if not value:
                raise UsageError(f"--{name} is required")
        if "://" in self.url or any(character.isspace() for character in self.url):
            raise UsageError(f"error parsing url: '{self.url}'")

    def content(self, cx: Context) -> SecretContent:
        auth = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        auths = {self.url: {"username": self.username, "password": self.password, "auth": auth}}
        text = json.dumps({"auths": auths}, indent=2, ensure_ascii=False)
        return SecretContent({".dockerconfigjson": text}, "kubernetes.io/dockerconfigjson")


@dataclass(frozen=True)
class CreateSecretProxy(CreateSecret):
    """Create or update a Secret with the address of a proxy.

    Examples:
      fleetloop create secret proxy corporate --address=https://proxy.example.com:3128
    """

    word = "proxy"

    address: str = flag("--address", help="the proxy's address")
    username: str = flag("--username", "-u", help="user name")
    password: str = flag("--password", "-p", help="password")

    def check_content(self) -> None:
        if not self.address:
            raise UsageError("address is required")

    def content(self, cx: Context) -> SecretContent:
        user = {"username": self.username, "password": self.password}
        return SecretContent({"address": self.address} | {key: value for key, value in user.items() if value}, "Opaque")


@dataclass(frozen=True)
class CreateSecretReceiver(CreateSecret):
    """Create or update the token of a Receiver; the Receiver must have the Secret's name.

    Examples:
      fleetloop create secret receiver github --type=github --hostname=hooks.example.com
    """

    word = "receiver"

    type: str = flag("--type", type=choice("receiver type", *RECEIVERS), help="type of the Receiver")
    hostname: str = flag("--hostname", help="host name of the webhook's URL")
    token: str = flag("--token", help="the token; a random one otherwise")
    email_claim: str = flag("--email-claim", help="service account that pushes; for type gcr")
    audience_claim: str = flag("--audience-claim", help="audience of the pushes; for type gcr, the webhook's URL otherwise")

    def check_content(self) -> None:
        if not self.type:
            raise UsageError("--type is required")
        if not self.hostname:
            raise UsageError("--hostname is required")
        if self.type == "gcr" and not self.email_claim:
            raise UsageError("--email-claim is required for gcr receiver type")

    def content(self, cx: Context) -> SecretContent:
        token = self.token or secrets.token_hex(32)
        digest = hashlib.sha256(f"{token}{self.name}{cx.namespace}".encode()).hexdigest()
        url = f"https://{self.hostname}/hook/{digest}"
        claims = {"email": self.email_claim, "audience": self.audience_claim or url} if self.type == "gcr" else {}
        return SecretContent({"token": token} | claims, "", {WEBHOOK: url})


@dataclass(frozen=True)
class CreateSecretGitHubApp(CreateSecret):
    """Create or update a Secret with the credentials of a GitHub App.

    Examples:
      fleetloop create secret githubapp app --app-id=1 --app-installation-id=2 --app-private-key=./key.pem
    """

    word = "githubapp"

    app_id: str = flag("--app-id", help="ID of the app")
    app_installation_owner: str = flag("--app-installation-owner", help="user or organization the app is installed for")
    app_installation_id: str = flag("--app-installation-id", help="ID of the installation")
    app_private_key: str = flag("--app-private-key", help="file of the app's private key")
    app_base_url: str = flag("--app-base-url", help="API of a GitHub Enterprise server")

    def content(self, cx: Context) -> SecretContent:
        key = read_file(self.app_private_key, "unable to read private key file").decode()
        if not self.app_id:
            raise UsageError("githubAppID is required")
        if bool(self.app_installation_owner) == bool(self.app_installation_id):
            raise UsageError("exactly one of githubAppInstallationOwner or githubAppInstallationID must be provided")
        optional = {
            "githubAppInstallationOwner": self.app_installation_owner,
            "githubAppInstallationID": self.app_installation_id,
            "githubAppBaseURL": self.app_base_url,
        }
        given = {name: value for name, value in optional.items() if value}
        return SecretContent({"githubAppID": self.app_id, "githubAppPrivateKey": key} | given, "Opaque")


def _check_pair(certificate: bytes, key: bytes) -> None:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    doing = "invalid TLS certificate and key pair"
    try:
        leaf, private = x509.load_pem_x509_certificates(certificate)[0], load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CliError(f"{doing}: not a PEM certificate and an unencrypted private key") from None
    if leaf.public_key() != private.public_key():
        raise CliError(f"{doing}: the private key does not match the certificate")
