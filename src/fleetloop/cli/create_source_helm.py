"""`create source helm`: a chart repository, served over HTTP or by a registry."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.create import apply_and_wait, artifact_revision, check_name, export, manifest_of, name_ref, seconds_text
from fleetloop.cli.create_secret import SecretContent
from fleetloop.cli.create_secret_others import TlsFlags
from fleetloop.cli.create_source import SourceOptions, apply_credentials
from fleetloop.cli.errors import UsageError
from fleetloop.cli.subjects import BY_NAME

WHAT = "HelmRepository source"


@dataclass(frozen=True)
class CreateSourceHelm(Command):
    """Create or update a HelmRepository source.

    Examples:
      fleetloop create source helm charts --url=https://charts.example.com --interval=10m
      fleetloop create source helm charts --url=oci://registry.example.com/charts
    """

    checks_namespace = False

    name: str = argument()
    shared: SourceOptions = options(SourceOptions)
    url: str = flag("--url", help="address of the repository, http, https or oci")
    username: str = flag("--username", "-u", help="user name")
    password: str = flag("--password", "-p", help="password")
    cert_file: str = flag("--cert-file", help="client certificate")
    key_file: str = flag("--key-file", help="private key of the client certificate")
    ca_file: str = flag("--ca-file", help="CA certificate of the server")
    secret_ref: str = flag("--secret-ref", help="an existing Secret with credentials")
    pass_credentials: bool = flag("--pass-credentials", help="send the credentials to other hosts that serve charts, too")
    oci_provider: str = flag("--oci-provider", help="who authenticates at the registry: generic, aws, azure or gcp")

    def check(self) -> None:
        check_name(self.name)
        if not self.url:
            raise UsageError("url is required")
        _check_url(self.url)
        self.shared.common.labels()
        if self.username and not self.password and not self.secret_ref and not self.shared.common.export:
            raise UsageError("password is required")

    def run(self, cx: Context) -> None:
        kind = BY_NAME["HelmRepository"]
        manifest = manifest_of(cx, kind, self.name, self.shared.common, self._spec())
        if self.shared.common.export:
            export(cx, manifest)
            return
        cx.say.generate(f"generating {WHAT}")
        if not self.secret_ref and (content := self._credentials()).data:
            cx.say.action("applying secret with repository credentials")
            secret = f"helm-{self.name}"
            apply_credentials(cx, {**manifest["metadata"], "name": secret}, content)
            cx.say.success("authentication configured")
            manifest["spec"] |= {"secretRef": {"name": secret}, **self._passed()}
        done = apply_and_wait(cx, kind, manifest, WHAT, "source")
        cx.say.success(f"{WHAT} reconciliation completed")
        if not self._is_oci:
            cx.say.success(f"fetched revision: {artifact_revision(done, WHAT)}")

    @property
    def _is_oci(self) -> bool:
        return urlsplit(self.url).scheme == "oci"

    def _spec(self) -> dict[str, Any]:
        found = {
            "url": self.url,
            "timeout": seconds_text(self.shared.fetch_timeout),
            "secretRef": name_ref(self.secret_ref),
        }
        if self._is_oci:
            found |= {"type": "oci", "provider": self.oci_provider}
        return found | (self._passed() if self.secret_ref else {})

    def _passed(self) -> dict[str, Any]:
        return {"passCredentials": True} if self.pass_credentials else {}

    def _credentials(self) -> SecretContent:
        """⚠ CLI20: with a client certificate the user is left out."""
        certificate, key = (self.cert_file, self.key_file) if self.cert_file and self.key_file else ("", "")
        found = TlsFlags(certificate, key, self.ca_file).content()
        if "tls.crt" in found.data or not self.username:
            return found
        user = {"username": self.username, "password": self.password}
        return SecretContent(user | found.data, "kubernetes.io/basic-auth")


def _check_url(url: str) -> None:
    """Raises UsageError."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError(f"url parse failed: {error}") from None
    if parts.scheme not in {"http", "https", "oci"}:
        raise UsageError(f"url scheme '{parts.scheme}' not supported, can be: http, https and oci")
    if not parts.netloc:
        raise UsageError("url host is required")
