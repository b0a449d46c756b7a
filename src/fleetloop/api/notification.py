"""notification.toolkit.fluxcd.io: events out to people (Alert, Provider), webhooks in (Receiver)."""

from typing import Annotated, ClassVar, Literal

import msgspec

from .meta import LocalObjectReference, Object, Status, Value
from .schema import INITIAL_STATUS, Duration, ObjectName, Rule, Schema, Timeout

WatchedKind = Literal[
    "Bucket",
    "GitRepository",
    "Kustomization",
    "HelmRelease",
    "HelmChart",
    "HelmRepository",
    "ImageRepository",
    "ImagePolicy",
    "ImageUpdateAutomation",
    "OCIRepository",
    "ArtifactGenerator",
    "ExternalArtifact",
]
ProviderType = Literal[
    "slack",
    "discord",
    "msteams",
    "rocket",
    "generic",
    "generic-hmac",
    "github",
    "gitlab",
    "gitea",
    "giteapullrequestcomment",
    "bitbucketserver",
    "bitbucket",
    "azuredevops",
    "googlechat",
    "googlepubsub",
    "webex",
    "sentry",
    "azureeventhub",
    "telegram",
    "lark",
    "matrix",
    "opsgenie",
    "alertmanager",
    "grafana",
    "githubdispatch",
    "githubpullrequestcomment",
    "gitlabmergerequestcomment",
    "pagerduty",
    "datadog",
    "nats",
    "zulip",
    "otel",
]
ReceiverType = Literal[
    "generic",
    "generic-hmac",
    "generic-oidc",
    "github",
    "gitlab",
    "bitbucket",
    "harbor",
    "dockerhub",
    "quay",
    "gcr",
    "nexus",
    "acr",
    "cdevents",
]


class EventSource(Value):
    """The objects whose events count; name `*` is all of the kind."""

    kind: WatchedKind
    name: ObjectName
    api_version: str = ""
    match_labels: dict[str, str] = {}
    namespace: ObjectName = ""


class OIDCValidation(Value):
    """A CEL expression that must hold for the claims of a token."""

    expression: str
    message: str


class OIDCVariable(Value):
    """A CEL expression under a name, for the validations."""

    expression: str
    name: str


class OIDCProvider(Value):
    """An issuer whose tokens are accepted."""

    issuer_url: Annotated[str, Schema(pattern=r"^https?://")]
    validations: Annotated[tuple[OIDCValidation, ...], Schema(min_items=1)]
    audience: str = ""
    variables: tuple[OIDCVariable, ...] = ()


class ReceiverResource(Value):
    """The objects a webhook asks to reconcile; name `*` is all of the kind."""

    kind: WatchedKind
    name: ObjectName
    api_version: str = ""
    filter: str = ""
    match_labels: dict[str, str] = {}
    namespace: ObjectName = ""


class AlertSpec(Value):
    """Events of `event_sources` that match `inclusion_list`, if there is one, and nothing in `exclusion_list`."""

    event_sources: tuple[EventSource, ...]
    provider_ref: LocalObjectReference
    event_metadata: dict[str, str] = {}
    event_severity: Literal["info", "error"] = "info"
    exclusion_list: tuple[str, ...] = ()
    inclusion_list: tuple[str, ...] = ()
    summary: Annotated[str, Schema(max_length=255)] = ""
    suspend: bool = False


class Alert(Object):
    spec: AlertSpec


class ProviderSpec(Value):
    """What `address` and `channel` mean depends on the type; the Secret may override the address."""

    rules: ClassVar = (
        Rule(
            "self.type == 'github' || self.type == 'gitlab' || self.type == 'gitea' || self.type == "
            "'bitbucketserver' || self.type == 'bitbucket' || self.type == 'azuredevops' || "
            "!has(self.commitStatusExpr)",
            "spec.commitStatusExpr is only supported for the 'github', 'gitlab', 'gitea', "
            "'bitbucketserver', 'bitbucket', 'azuredevops' provider types",
        ),
    )
    type: ProviderType
    address: Annotated[str, Schema(max_length=2048)] = ""
    cert_secret_ref: LocalObjectReference | None = None
    channel: Annotated[str, Schema(max_length=2048)] = ""
    commit_status_expr: str = ""
    interval: Duration | None = None
    proxy: Annotated[str, Schema(pattern=r"^(http|https)://.*$", max_length=2048)] = ""
    proxy_secret_ref: LocalObjectReference | None = None
    secret_ref: LocalObjectReference | None = None
    service_account_name: str = ""
    suspend: bool = False
    timeout: Timeout | None = None
    username: Annotated[str, Schema(max_length=2048)] = ""


class Provider(Object):
    spec: ProviderSpec


class ReceiverSpec(Value):
    """A request to the webhook asks for the reconciliation of `resources`."""

    rules: ClassVar = (
        Rule(
            "self.type != 'generic-oidc' || (has(self.oidcProviders) && size(self.oidcProviders) > 0)",
            "generic-oidc receivers must define at least one oidcProvider",
        ),
        Rule(
            "self.type == 'generic-oidc' || !has(self.oidcProviders) || size(self.oidcProviders) == 0",
            "oidcProviders can only be set when type is generic-oidc",
        ),
        Rule("self.type != 'generic-oidc' || !has(self.secretRef)", "secretRef cannot be set when type is generic-oidc"),
        Rule("self.type == 'generic-oidc' || has(self.secretRef)", "secretRef is required when type is not generic-oidc"),
    )
    resources: tuple[ReceiverResource, ...]
    type: ReceiverType
    events: tuple[str, ...] = ()
    interval: Duration = "10m"
    oidc_providers: Annotated[tuple[OIDCProvider, ...], Schema(list_type="map", list_map_keys=("issuerURL",))] = ()
    resource_filter: str = ""
    secret_ref: LocalObjectReference | None = None
    suspend: bool = False


class ReceiverStatus(Status):
    webhook_path: str = ""


class Receiver(Object):
    spec: ReceiverSpec
    status: Annotated[ReceiverStatus, INITIAL_STATUS] = msgspec.field(default_factory=ReceiverStatus)
