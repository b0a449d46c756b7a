"""`spec.verify` of OCIRepository and HelmChart: whether an artifact in a registry carries a signature that is trusted.

Signatures are fetched here and judged by the engine. Flux: source-kustomize.md 3.5, 6.4.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fleetloop import oci
from fleetloop.access.secrets import SecretUnavailable, read_secret
from fleetloop.api.meta import LocalObjectReference
from fleetloop.api.source import OIDCIdentityMatch
from fleetloop.engine import EngineError, EngineGone, Engines, Family
from fleetloop.kube.client import Kube
from fleetloop.oci import signatures

_TIMEOUT = 60.0  # seconds
_ANNOTATIONS = {
    "signature": "dev.cosignproject.cosign/signature",
    "certificate": "dev.sigstore.cosign/certificate",
    "log": "dev.sigstore.cosign/bundle",
    "timestamp": "dev.sigstore.cosign/rfc3161timestamp",
}
_POLICY, _ROOT = "trustpolicy.json", "trusted_root.json"


class Unverified(Exception):
    """Why nothing vouches for the artifact."""


class Verification(Protocol):
    """What the kinds' `spec.verify` have in common."""

    @property
    def provider(self) -> str: ...
    @property
    def secret_ref(self) -> LocalObjectReference | None: ...
    @property
    def match_oidc_identity(self) -> tuple[OIDCIdentityMatch, ...]: ...


@dataclass(frozen=True, slots=True)
class Signed:
    """What is to be verified: `reference` as people wrote it, `digest` of the manifest it stands for."""

    registry: oci.Registry
    reference: oci.Reference
    digest: str

    @property
    def repository(self) -> oci.Repository:
        return self.reference.repository


@dataclass(frozen=True, slots=True)
class Signatures:
    """For the sources of one controller."""

    kube: Kube
    engines: Engines

    async def verify(
        self, namespace: str, wanted: Verification, signed: Signed, trusted_root: LocalObjectReference | None = None
    ) -> bool:
        """False: the policy skips the check, or only logs that it failed. Raises Unverified."""
        try:
            if wanted.provider == "notation":
                return await self._by_notation(namespace, wanted, signed)
            await self._by_cosign(namespace, wanted, signed, trusted_root)
            return True
        except (SecretUnavailable, oci.OciError, EngineError, EngineGone) as error:
            raise Unverified(str(error)) from error

    async def _by_cosign(
        self, namespace: str, wanted: Verification, signed: Signed, trusted_root: LocalObjectReference | None
    ) -> None:
        keys: list[str] = []
        if wanted.secret_ref:
            data = await read_secret(self.kube, namespace, wanted.secret_ref.name)
            keys = [_text(value) for name, value in sorted(data.items()) if name.endswith(".pub")]
            if not keys:
                raise Unverified(f"no public keys found in secret '{namespace}/{wanted.secret_ref.name}'")
        root = await self._trusted_root(namespace, trusted_root) if trusted_root and not keys else ""
        place = (signed.registry, signed.repository, signed.digest)
        found = await self.engines.call_surely(
            Family.SIGNATURES,
            "signatures.cosign",
            _TIMEOUT,
            digest=signed.digest,
            bundles=[_text(bundle) for bundle in await signatures.bundles(*place)],
            legacy=[_legacy(one) for one in await signatures.tag_signatures(*place)],
            keys=keys,
            identities=[{"issuer": one.issuer, "subject": one.subject} for one in wanted.match_oidc_identity],
            trustedRoot=root,
        )
        if not found["verified"]:
            why = "" if keys else f": {'; '.join(found['problems'])}"
            raise Unverified(f"no matching signatures were found for '{signed.reference}'{why}")

    async def _trusted_root(self, namespace: str, ref: LocalObjectReference) -> str:
        data = await read_secret(self.kube, namespace, ref.name)
        if _ROOT not in data:
            raise Unverified(f"'{_ROOT}' not found in secret '{namespace}/{ref.name}'")
        return _text(data[_ROOT])

    async def _by_notation(self, namespace: str, wanted: Verification, signed: Signed) -> bool:
        if wanted.secret_ref is None:
            raise Unverified("spec.verify.secretRef must be set for provider 'notation'")
        data = await read_secret(self.kube, namespace, wanted.secret_ref.name)
        if _POLICY not in data:
            raise Unverified(f"'{_POLICY}' not found in secret '{namespace}/{wanted.secret_ref.name}'")
        manifest = await signed.registry.manifest(signed.repository.at(signed.digest))
        envelopes = await signatures.notation_envelopes(signed.registry, signed.repository, signed.digest)
        found = await self.engines.call_surely(
            Family.SIGNATURES,
            "signatures.notation",
            _TIMEOUT,
            reference=f"{signed.repository}@{signed.digest}",
            mediaType=manifest.media_type,
            digest=manifest.digest,
            size=len(manifest.raw),
            signatures=[{"mediaType": one.media_type, "content": _base64(one.content)} for one in envelopes],
            trustPolicy=_text(data[_POLICY]),
            certificates=_certificates(data),
        )
        if not (found["verified"] or found["ignored"]):
            raise Unverified(found["problem"])
        return bool(found["verified"])


def _certificates(data: Mapping[str, bytes]) -> list[str]:
    return [_text(value) for name, value in sorted(data.items()) if name.endswith((".crt", ".pem"))]


def _legacy(one: signatures.TagSignature) -> dict[str, Any]:
    found = {name: one.annotations.get(key, "") for name, key in _ANNOTATIONS.items()}
    return {"payload": _base64(one.payload), **found}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _text(content: bytes) -> str:
    return content.decode(errors="replace")
