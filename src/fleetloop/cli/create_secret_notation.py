"""`create secret notation`: whom to trust for signatures made with notation."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetloop.cli.command import flag
from fleetloop.cli.context import Context
from fleetloop.cli.create_secret import CreateSecret, SecretContent
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.files import read_file

POLICY = "trustpolicy.json"
_LEVELS = {"strict", "permissive", "audit", "skip"}


@dataclass(frozen=True)
class CreateSecretNotation(CreateSecret):
    """Create or update a Secret with certificates and a trust policy for signatures of notation.

    Examples:
      fleetloop create secret notation trust --ca-cert-file=./ca.crt --trust-policy-file=./trustpolicy.json
    """

    word = "notation configuration"

    ca_cert_file: tuple[str, ...] = flag("--ca-cert-file", help="root certificates, .crt or .pem")
    trust_policy_file: str = flag("--trust-policy-file", help="trust policy, in notation's JSON")

    def check_content(self) -> None:
        if not self.ca_cert_file:
            raise UsageError("--ca-cert-file is required")
        if not self.trust_policy_file:
            raise UsageError("--trust-policy-file is required")

    def content(self, cx: Context) -> SecretContent:
        policy = read_file(self.trust_policy_file, "unable to read trust policy file").decode()
        _check_policy(self.trust_policy_file, policy)
        problems, data = [], {}
        for path in self.ca_cert_file:
            if not path.endswith((".crt", ".pem")):
                problems.append(f"{Path(path).name} must end with either .crt or .pem")
                continue
            try:
                data[Path(path).name] = read_file(path, "unable to read TLS CA file").decode()
            except CliError as error:
                problems.append(str(error))
        if problems:
            raise CliError("\n".join(problems))
        return SecretContent(data | {POLICY: policy})


def _check_policy(path: str, text: str) -> None:
    """Raises CliError."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise CliError(f"failed to unmarshal trust policy {path}: {error}") from None
    if problem := _problem(document):
        raise CliError(f"invalid trust policy: {problem}")


def _problem(document: Any) -> str:
    """What keeps notation from using it; "" for nothing."""
    if not isinstance(document, dict) or not document.get("version"):
        return "trust policy document has no version"
    statements = document.get("trustPolicies")
    if not isinstance(statements, list) or not statements:
        return "trust policy document has no trust policy statements"
    seen: set[str] = set()
    for statement in statements:
        name = statement.get("name") if isinstance(statement, dict) else None
        if not name:
            return "a trust policy statement has no name"
        if name in seen:
            return f"several trust policy statements use the name '{name}'"
        seen.add(name)
        if problem := _statement_problem(statement):
            return f"trust policy statement '{name}' {problem}"
    return ""


def _statement_problem(statement: dict[str, Any]) -> str:
    verification = statement.get("signatureVerification")
    level = verification.get("level") if isinstance(verification, dict) else None
    if level not in _LEVELS:
        return f"has the verification level {json.dumps(level)}, which must be one of: {', '.join(sorted(_LEVELS))}"
    if not statement.get("registryScopes"):
        return "has no registry scopes"
    trusts = bool(statement.get("trustStores")), bool(statement.get("trustedIdentities"))
    if level == "skip" and any(trusts):
        return "skips verification, yet has trust stores or trusted identities"
    if level != "skip" and not all(trusts):
        return "has no trust stores or no trusted identities"
    return ""
