"""What the `create source` verbs share: the group's flags, where a chart or manifests come from, credentials, verification."""

from dataclasses import dataclass, replace
from typing import Any

from fleetloop.cli.command import flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.create import CreateOptions
from fleetloop.cli.create_secret import SecretContent, apply_secret, secret_of
from fleetloop.cli.errors import UsageError
from fleetloop.cli.goflags import DURATION, choice

PROVIDER = choice("source provider", "generic", "aws", "azure", "gcp")
VERIFY_PROVIDER = replace(choice("source OCI verify provider", "cosign", "notation"), name="sourceOCIVerifyProvider")


@dataclass(frozen=True)
class SourceOptions:
    """The flags of every `create source` verb."""

    common: CreateOptions = options(CreateOptions)
    fetch_timeout: float = flag("--fetch-timeout", type=DURATION, help="how long fetching may take")


@dataclass(frozen=True)
class VerifyFlags:
    """Whose signature an artifact must have."""

    provider: str = flag(
        "--verify-provider",
        type=VERIFY_PROVIDER,
        help="the tool the artifact was signed with",
    )
    secret_ref: str = flag("--verify-secret-ref", help="an existing Secret with trusted keys")
    issuer: str = flag("--verify-issuer", help="a pattern of the signer's OIDC issuer; keyless")
    subject: str = flag("--verify-subject", help="a pattern of the signer's OIDC subject; keyless")

    def spec(self) -> dict[str, Any] | None:
        """`spec.verify`. ⚠ CLI21: an identity without a provider is refused for charts too. Raises UsageError."""
        missing = "a verification provider must be specified when"
        if not self.provider and self.secret_ref:
            raise UsageError(f"{missing} a secret is specified")
        if not self.provider and (self.issuer or self.subject):
            raise UsageError(f"{missing} OIDC issuer/subject is specified")
        if not self.provider:
            return None
        found: dict[str, Any] = {"provider": self.provider}
        if self.secret_ref:
            found["secretRef"] = {"name": self.secret_ref}
        if self.issuer or self.subject:
            found["matchOIDCIdentity"] = [{"issuer": self.issuer, "subject": self.subject}]
        return found


def apply_credentials(cx: Context, metadata: dict[str, Any], content: SecretContent) -> None:
    """`metadata`: the object's, whose labels the Secret has too."""
    apply_secret(cx, secret_of(metadata, content))
