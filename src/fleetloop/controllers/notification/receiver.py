"""Receiver: checks what it says and tells its path. Flux: helm-notification-image.md 3.5."""

import base64
import datetime
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from fleetloop.api.durations import duration_text, seconds_of
from fleetloop.api.meta import Status
from fleetloop.api.notification import Receiver, ReceiverStatus
from fleetloop.controllers.notification.cel import Cel
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import NotFound
from fleetloop.kube.objects import ObjectRef
from fleetloop.runtime import settle as settling
from fleetloop.runtime.controller import Report
from fleetloop.runtime.outcome import Done, Failure, Outcome, Retry

OIDC = "generic-oidc"
DEFAULT_AUDIENCE = "notification-controller"
_TERMINALLY = "Reconciliation failed terminally due to configuration error: "


class TokenNotFound(Failure):
    """The event is of another reason than the condition."""

    reason, severity = "TokenNotFound", None


class InvalidExpression(Failure):
    reason, retry = "InvalidCELExpression", Retry.NEVER


class InvalidReceiver(Failure):
    reason, retry = "ValidationFailed", Retry.NEVER


@dataclass(slots=True)
class ReceiverReconciler:
    kube: Kube
    cel: Cel
    owned_conditions: frozenset[str] = frozenset({"Ready", "Reconciling", "Stalled"})

    async def reconcile(self, obj: Receiver, draft: Status, report: Report) -> Outcome:
        """Raises Failure."""
        status = cast(ReceiverStatus, draft)
        _check(obj)
        cel = self.cel.of(obj.namespace)
        for field, expression, output, variables in _expressions(obj):
            if problem := await cel.problem(expression, output, variables):
                raise InvalidExpression(f"{_TERMINALLY}{field}: {problem}")
        try:
            token = await read_token(self.kube, obj)
        except TokenNotFound as failure:
            status.webhook_path = ""
            report.event("Warning", "Failed", str(failure))
            raise
        path = webhook_path(token, obj.name, obj.namespace)
        told = (status.webhook_path, status.observed_generation, status.is_true("Ready"))
        is_news = told != (path, obj.metadata.generation, True)
        status.webhook_path = path
        after = seconds_of(obj.spec.interval)
        message = f"Receiver initialized for path: {status.webhook_path}"
        event = f"Reconciliation finished, next run in {duration_text(after)}"
        return Done(after=after, reason="Succeeded", message=message, event=event, is_news=is_news)

    async def finalize(self, obj: Receiver, report: Report) -> None:
        """It owns nothing."""

    def settle(self, obj: Receiver, draft: Status, result: Outcome | Failure, now: datetime.datetime) -> None:
        settling.settle(draft, result, generation=obj.metadata.generation, now=now)

    def suspended(self, obj: Receiver, draft: Status) -> None:
        """Nothing but lastHandledReconcileAt."""


def webhook_path(token: bytes, name: str, namespace: str) -> str:
    """HN15: of the three as they are, with whatever line break the token ends in."""
    return "/hook/" + hashlib.sha256(token + name.encode() + namespace.encode()).hexdigest()


async def read_secret(kube: Kube, obj: Receiver) -> dict[str, bytes]:
    """Raises TokenNotFound, ApiError, Unreachable."""
    if obj.spec.secret_ref is None:
        raise TokenNotFound("spec.secretRef is required")
    ref = ObjectRef("v1", "Secret", obj.namespace, obj.spec.secret_ref.name)
    try:
        found = await kube.get(ref)
    except NotFound:
        raise TokenNotFound(f"unable to read token from secret '{ref.namespace}/{ref.name}': not found") from None
    return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}


async def read_token(kube: Kube, obj: Receiver) -> bytes:
    """Empty for OIDC. Raises TokenNotFound, ApiError, Unreachable."""
    if obj.spec.type == OIDC:
        return b""
    secret = await read_secret(kube, obj)
    if not secret.get("token"):
        name = obj.spec.secret_ref.name if obj.spec.secret_ref else ""
        raise TokenNotFound(f"invalid '{obj.namespace}/{name}' secret data: required field 'token'")
    return secret["token"]


def _check(obj: Receiver) -> None:
    """What the schema's rules say too, for objects that are older than they. Raises InvalidReceiver."""
    spec = obj.spec
    issuers = [provider.issuer_url for provider in spec.oidc_providers]
    problems = (
        (spec.type == OIDC and not issuers, "generic-oidc receivers must define at least one oidcProvider"),
        (spec.type != OIDC and bool(issuers), "oidcProviders can only be set when type is generic-oidc"),
        (spec.type == OIDC and spec.secret_ref is not None, "secretRef cannot be set when type is generic-oidc"),
        (spec.type != OIDC and spec.secret_ref is None, "secretRef is required when type is not generic-oidc"),
        (len(set(issuers)) != len(issuers), "oidcProviders must have different issuerURLs"),
    )
    if problem := next((text for holds, text in problems if holds), ""):
        raise InvalidReceiver(_TERMINALLY + problem)


def _expressions(obj: Receiver) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Field, expression, what it must give, which variables it may use."""
    names = ("res", "req", "claims") if obj.spec.type == OIDC else ("res", "req")
    if obj.spec.resource_filter:
        yield "spec.resourceFilter", obj.spec.resource_filter, "bool", names
    for index, resource in enumerate(obj.spec.resources):
        if resource.filter:
            yield f"spec.resources[{index}].filter", resource.filter, "bool", names
    for index, provider in enumerate(obj.spec.oidc_providers):
        where = f"spec.oidcProviders[{index}]"
        for number, variable in enumerate(provider.variables):
            yield f"{where}.variables[{number}]", variable.expression, "", ("claims", "vars")
        for number, validation in enumerate(provider.validations):
            yield f"{where}.validations[{number}]", validation.expression, "bool", ("claims", "vars")
