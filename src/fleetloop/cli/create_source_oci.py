"""`create source oci`: follow the artifacts of a repository in a registry."""

from dataclasses import dataclass
from typing import Any

from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.create import apply_and_wait, artifact_revision, check_name, export, manifest_of, name_ref, seconds_text
from fleetloop.cli.create_source import PROVIDER, SourceOptions, VerifyFlags
from fleetloop.cli.errors import UsageError
from fleetloop.cli.goflags import quoted
from fleetloop.cli.subjects import BY_NAME

WHAT = "OCIRepository"


@dataclass(frozen=True)
class CreateSourceOci(Command):
    """Create or update an OCIRepository source.

    Examples:
      fleetloop create source oci apps --url=oci://registry.example.com/org/apps --tag=latest
      fleetloop create source oci apps --url=oci://registry.example.com/org/apps --tag-semver=">=1.0.0" --verify-provider=cosign
    """

    checks_namespace = False

    name: str = argument()
    shared: SourceOptions = options(SourceOptions)
    url: str = flag("--url", help="address of the repository, as in oci://registry.example.com/org/apps")
    tag: str = flag("--tag", help="the tag to follow")
    tag_semver: str = flag("--tag-semver", help="follow the newest tag in a range of semantic versions")
    digest: str = flag("--digest", help="the digest of the artifact")
    layer_selector: str = flag("--layer-selector", help="the layer to take, as in <media-type>:extract or <media-type>:copy")
    secret_ref: str = flag("--secret-ref", help="an existing Secret with an image pull secret")
    service_account: str = flag("--service-account", help="a service account whose image pull secrets are used")
    cert_ref: str = flag("--cert-ref", help="an existing Secret with TLS certificates")
    proxy_secret_ref: str = flag("--proxy-secret-ref", help="an existing Secret with a proxy's address")
    provider: str = flag("--provider", type=PROVIDER, default="generic", help="who authenticates")
    insecure: bool = flag("--insecure", help="plain HTTP, or a certificate nobody knows")
    ignore_paths: tuple[str, ...] = flag("--ignore-paths", help="paths to leave out, in .gitignore form")
    verify: VerifyFlags = options(VerifyFlags)

    def check(self) -> None:
        check_name(self.name)
        if not self.url:
            raise UsageError("url is required")
        if not (self.tag or self.tag_semver or self.digest):
            raise UsageError("--tag, --tag-semver or --digest is required")
        self.shared.common.labels()
        self._spec()

    def run(self, cx: Context) -> None:
        kind = BY_NAME["OCIRepository"]
        manifest = manifest_of(cx, kind, self.name, self.shared.common, self._spec())
        if self.shared.common.export:
            export(cx, manifest)
            return
        done = apply_and_wait(cx, kind, manifest, WHAT)
        cx.say.success(f"{WHAT} reconciliation completed")
        cx.say.success(f"fetched revision: {artifact_revision(done, WHAT, 'no artifact was found')}")

    def _spec(self) -> dict[str, Any]:
        """Raises UsageError."""
        ref = {"digest": self.digest, "semver": self.tag_semver, "tag": self.tag}
        return {
            "url": self.url,
            "ref": {key: value for key, value in ref.items() if value},
            "layerSelector": _layer_selector(self.layer_selector),
            "provider": self.provider,
            "timeout": seconds_text(self.shared.fetch_timeout),
            "secretRef": name_ref(self.secret_ref),
            "serviceAccountName": self.service_account,
            "certSecretRef": name_ref(self.cert_ref),
            "proxySecretRef": name_ref(self.proxy_secret_ref),
            "insecure": self.insecure or None,
            "ignore": "\n".join(self.ignore_paths),
            "verify": self.verify.spec(),
        }


def _layer_selector(text: str) -> dict[str, str] | None:
    """Raises UsageError."""
    if not text:
        return None
    media_type, colon, operation = text.partition(":")
    wrong = f"invalid --layer-selector {quoted(text)}"
    if not media_type or not colon or not operation:
        raise UsageError(f"{wrong}: must be in the format '<media-type>:<operation>'")
    if operation not in {"extract", "copy"}:
        raise UsageError(f'{wrong}: operation must be "extract" or "copy"')
    return {"mediaType": media_type, "operation": operation}
