"""source.toolkit.fluxcd.io: the kinds that fetch something and serve it as an artifact."""

from typing import Annotated, ClassVar, Literal

import msgspec

from .meta import AccessFrom, Artifact, LocalObjectReference, Object, ObjectReference, Status, Value
from .schema import INITIAL_STATUS, Duration, Rule, Schema, Timeout


class GitReference(Value):
    """What to check out: the first set of commit, name, tag, semver, branch (⚠ SK7: the published text has semver before tag)."""

    branch: str = ""
    commit: str = ""
    name: str = ""
    semver: str = ""
    tag: str = ""


class BucketSTS(Value):
    """Where temporary credentials come from."""

    endpoint: Annotated[str, Schema(pattern=r"^(http|https)://.*$")]
    provider: Literal["aws", "ldap"]
    cert_secret_ref: LocalObjectReference | None = None
    secret_ref: LocalObjectReference | None = None


class GitInclude(Value):
    """Another GitRepository whose artifact is put inside this one's."""

    repository: LocalObjectReference
    from_path: str = ""
    to_path: str = ""


class GitVerification(Value):
    """Which signatures are checked, and the Secret with the public keys."""

    secret_ref: LocalObjectReference
    mode: Literal["head", "HEAD", "Tag", "TagAndHEAD"] = "HEAD"


class LocalSourceReference(Value):
    """The source a chart is taken from, in the same namespace."""

    kind: Literal["HelmRepository", "GitRepository", "Bucket"]
    name: str
    api_version: str = ""


class OIDCIdentityMatch(Value):
    """Patterns an identity in a keyless signature must match."""

    issuer: str
    subject: str


class HelmChartVerification(Value):
    """How the signature of a chart is verified."""

    match_oidc_identity: tuple[OIDCIdentityMatch, ...] = ()
    provider: Annotated[Literal["cosign", "notation"], Schema(required=True)] = "cosign"
    secret_ref: LocalObjectReference | None = None


class OCILayerSelector(Value):
    """Which layer of the image is used, and whether it is unpacked."""

    media_type: str = ""
    operation: Literal["extract", "copy"] | None = None


class OCIReference(Value):
    """Which version of the image: digest wins over semver, tag."""

    digest: str = ""
    semver: str = ""
    semver_filter: str = ""
    tag: str = ""


class OCIVerification(Value):
    """How the signature of the image is verified."""

    match_oidc_identity: tuple[OIDCIdentityMatch, ...] = ()
    provider: Annotated[Literal["cosign", "notation"], Schema(required=True)] = "cosign"
    secret_ref: LocalObjectReference | None = None
    trusted_root_secret_ref: LocalObjectReference | None = None


class BucketSpec(Value):
    """`ignore`: patterns after those of the `.sourceignore` at the root of the bucket."""

    rules: ClassVar = (
        Rule(
            "self.provider == 'aws' || self.provider == 'generic' || !has(self.sts)",
            "STS configuration is only supported for the 'aws' and 'generic' Bucket providers",
        ),
        Rule(
            "self.provider != 'aws' || !has(self.sts) || self.sts.provider == 'aws'",
            "'aws' is the only supported STS provider for the 'aws' Bucket provider",
        ),
        Rule(
            "self.provider != 'generic' || !has(self.sts) || self.sts.provider == 'ldap'",
            "'ldap' is the only supported STS provider for the 'generic' Bucket provider",
        ),
        Rule(
            "!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.secretRef)",
            "spec.sts.secretRef is not required for the 'aws' STS provider",
        ),
        Rule(
            "!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.certSecretRef)",
            "spec.sts.certSecretRef is not required for the 'aws' STS provider",
        ),
        Rule(
            "self.provider != 'generic' || !has(self.serviceAccountName)",
            "ServiceAccountName is not supported for the 'generic' Bucket provider",
        ),
        Rule(
            "!has(self.secretRef) || !has(self.serviceAccountName)",
            "cannot set both .spec.secretRef and .spec.serviceAccountName",
        ),
    )
    bucket_name: str
    endpoint: str
    interval: Duration
    cert_secret_ref: LocalObjectReference | None = None
    ignore: str | None = None
    insecure: bool = False
    prefix: str = ""
    provider: Literal["generic", "aws", "gcp", "azure"] = "generic"
    proxy_secret_ref: LocalObjectReference | None = None
    region: str = ""
    secret_ref: LocalObjectReference | None = None
    service_account_name: str = ""
    sts: BucketSTS | None = None
    suspend: bool = False
    timeout: Timeout = "60s"


class BucketStatus(Status):
    artifact: Artifact | None = None
    observed_ignore: str | None = None
    url: str = ""


class Bucket(Object):
    spec: BucketSpec
    status: Annotated[BucketStatus, INITIAL_STATUS] = msgspec.field(default_factory=BucketStatus)


class ExternalArtifactSpec(Value):
    """`source_ref`: the object whose controller made the artifact."""

    source_ref: ObjectReference | None = None


class ExternalArtifactStatus(Status):
    unpublished = frozenset({"last_handled_reconcile_at", "observed_generation"})

    artifact: Artifact | None = None


class ExternalArtifact(Object):
    spec: ExternalArtifactSpec
    status: ExternalArtifactStatus = msgspec.field(default_factory=ExternalArtifactStatus)


class GitRepositorySpec(Value):
    """Without `ref` the branch is `master`. `ignore`: patterns after those of the `.sourceignore` files."""

    rules: ClassVar = (
        Rule(
            "!has(self.serviceAccountName) || (has(self.provider) && (self.provider == 'azure' || self.provider == 'aws'))",
            "serviceAccountName can only be set when provider is 'azure' or 'aws'",
        ),
    )
    interval: Duration
    url: Annotated[str, Schema(pattern=r"^(http|https|ssh)://.*$")]
    ignore: str | None = None
    include: tuple[GitInclude, ...] = ()
    provider: Literal["generic", "aws", "azure", "github"] | None = None
    proxy_secret_ref: LocalObjectReference | None = None
    recurse_submodules: bool = False
    ref: GitReference | None = None
    secret_ref: LocalObjectReference | None = None
    service_account_name: str = ""
    sparse_checkout: tuple[str, ...] = ()
    suspend: bool = False
    timeout: Timeout = "60s"
    verify: GitVerification | None = None


class GitRepositoryStatus(Status):
    artifact: Artifact | None = None
    included_artifacts: tuple[Artifact, ...] = ()
    observed_ignore: str | None = None
    observed_include: tuple[GitInclude, ...] = ()
    observed_recurse_submodules: bool = False
    observed_sparse_checkout: tuple[str, ...] = ()
    source_verification_mode: str | None = None


class GitRepository(Object):
    spec: GitRepositorySpec
    status: Annotated[GitRepositoryStatus, INITIAL_STATUS] = msgspec.field(default_factory=GitRepositoryStatus)


class HelmChartSpec(Value):
    """`version` counts for charts of a HelmRepository only."""

    rules: ClassVar = (
        Rule(
            "!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",
            "spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'",
        ),
    )
    chart: str
    interval: Duration
    source_ref: LocalSourceReference
    ignore_missing_values_files: bool = False
    reconcile_strategy: Literal["ChartVersion", "Revision"] = "ChartVersion"
    suspend: bool = False
    values_files: tuple[str, ...] = ()
    verify: HelmChartVerification | None = None
    version: str = "*"


class HelmChartStatus(Status):
    artifact: Artifact | None = None
    observed_chart_name: str = ""
    observed_source_artifact_revision: str = ""
    observed_values_files: tuple[str, ...] = ()
    url: str = ""


class HelmChart(Object):
    spec: HelmChartSpec
    status: Annotated[HelmChartStatus, INITIAL_STATUS] = msgspec.field(default_factory=HelmChartStatus)


class HelmRepositorySpec(Value):
    """Without `interval` it is a minute, without `timeout` too; `access_from` has no effect."""

    url: Annotated[str, Schema(pattern=r"^(http|https|oci)://.*$")]
    access_from: AccessFrom | None = None
    cert_secret_ref: LocalObjectReference | None = None
    insecure: bool = False
    interval: Duration | None = None
    pass_credentials: bool = False
    provider: Literal["generic", "aws", "azure", "gcp"] = "generic"
    secret_ref: LocalObjectReference | None = None
    suspend: bool = False
    timeout: Timeout | None = None
    type: Literal["default", "oci"] | None = None


class HelmRepositoryStatus(Status):
    artifact: Artifact | None = None
    url: str = ""


class HelmRepository(Object):
    spec: HelmRepositorySpec
    status: Annotated[HelmRepositoryStatus, INITIAL_STATUS] = msgspec.field(default_factory=HelmRepositoryStatus)


class OCIRepositorySpec(Value):
    """Without `ref` the tag is `latest`. `ignore`: patterns after those of the `.sourceignore` files."""

    interval: Duration
    url: Annotated[str, Schema(pattern=r"^oci://.*$")]
    cert_secret_ref: LocalObjectReference | None = None
    ignore: str | None = None
    insecure: bool = False
    layer_selector: OCILayerSelector | None = None
    provider: Literal["generic", "aws", "azure", "gcp"] = "generic"
    proxy_secret_ref: LocalObjectReference | None = None
    ref: OCIReference | None = None
    secret_ref: LocalObjectReference | None = None
    service_account_name: str = ""
    suspend: bool = False
    timeout: Timeout = "60s"
    verify: OCIVerification | None = None


class OCIRepositoryStatus(Status):
    artifact: Artifact | None = None
    observed_ignore: str | None = None
    observed_layer_selector: OCILayerSelector | None = None
    url: str = ""


class OCIRepository(Object):
    spec: OCIRepositorySpec
    status: Annotated[OCIRepositoryStatus, INITIAL_STATUS] = msgspec.field(default_factory=OCIRepositoryStatus)
