"""image.toolkit.fluxcd.io: which image versions exist, which one is wanted, and its commit to Git."""

from typing import Annotated, ClassVar, Literal

import msgspec

from .meta import AccessFrom, LabelSelector, LocalObjectReference, Object, Status, Value
from .schema import INITIAL_STATUS, Duration, Rule, Schema, Time, Timeout
from .source import GitReference


class GitCheckout(Value):
    """What to check out, instead of what the GitRepository says."""

    ref: GitReference


class CommitUser(Value):
    """Who the commits are by."""

    email: str
    name: str = ""


class SigningKey(Value):
    """The key that signs the commits."""

    secret_ref: LocalObjectReference
    type: Literal["gpg", "ssh"] | None = None


class GitCommit(Value):
    """What the commits look like."""

    author: CommitUser
    message_template: str = ""
    message_template_values: dict[str, str] = {}
    signing_key: SigningKey | None = None


class GitPush(Value):
    """Where the commits go: a branch, a refspec, or both."""

    branch: str = ""
    options: dict[str, str] = {}
    refspec: str = ""


class GitSpec(Value):
    """How the repository is read and written."""

    commit: GitCommit
    checkout: GitCheckout | None = None
    push: GitPush | None = None


class CrossNamespaceSourceReference(Value):
    """The GitRepository that is updated."""

    name: str
    api_version: str = ""
    kind: Annotated[Literal["GitRepository"], Schema(required=True)] = "GitRepository"
    namespace: str = ""


class UpdateStrategy(Value):
    """How and below which path files are updated."""

    path: str = ""
    strategy: Literal["Setters"] = "Setters"


class ImageRef(Value):
    """An image with its tag and, where asked for, digest."""

    name: str
    tag: str
    digest: str = ""


class TagFilter(Value):
    """Which tags count, and what part of them is compared."""

    extract: str = ""
    pattern: str = ""


class NamespacedObjectReference(Value):
    """An ImageRepository."""

    name: str
    namespace: str = ""


class OrderPolicy(Value):
    """The last tag of an order; `desc` takes the first."""

    order: Literal["asc", "desc"] = "asc"


class SemVerPolicy(Value):
    """The highest version in a range."""

    range: str


class ImagePolicyChoice(Value):
    """Exactly one of these."""

    alphabetical: OrderPolicy | None = None
    numerical: OrderPolicy | None = None
    semver: SemVerPolicy | None = None


class ScanResult(Value):
    """What the last scan found."""

    tag_count: int
    latest_tags: tuple[str, ...] = ()
    revision: str = ""
    scan_time: Time | None = None


class ImageUpdateAutomationSpec(Value):
    """Only policies of the same namespace are followed."""

    interval: Duration
    source_ref: CrossNamespaceSourceReference
    git: GitSpec | None = None
    policy_selector: Annotated[LabelSelector | None, Schema(map_type="atomic")] = None
    suspend: bool = False
    update: Annotated[UpdateStrategy, Schema(default={"strategy": "Setters"})] = msgspec.field(default_factory=UpdateStrategy)


class ImageUpdateAutomationStatus(Status):
    last_automation_run_time: Time | None = None
    last_push_commit: str = ""
    last_push_time: Time | None = None
    observed_policies: dict[str, ImageRef] = {}
    observed_source_revision: str = ""


class ImageUpdateAutomation(Object):
    spec: ImageUpdateAutomationSpec
    status: Annotated[ImageUpdateAutomationStatus, INITIAL_STATUS] = msgspec.field(default_factory=ImageUpdateAutomationStatus)


class ImagePolicySpec(Value):
    """Which tag of the repository is the latest."""

    rules: ClassVar = (
        Rule(
            "!has(self.interval) || (has(self.digestReflectionPolicy) && self.digestReflectionPolicy == 'Always')",
            "spec.interval is only accepted when spec.digestReflectionPolicy is set to 'Always'",
        ),
        Rule(
            "has(self.interval) || !has(self.digestReflectionPolicy) || self.digestReflectionPolicy != 'Always'",
            "spec.interval must be set when spec.digestReflectionPolicy is set to 'Always'",
        ),
    )
    image_repository_ref: NamespacedObjectReference
    policy: ImagePolicyChoice
    digest_reflection_policy: Literal["Always", "IfNotPresent", "Never"] = "Never"
    filter_tags: TagFilter | None = None
    interval: Duration | None = None
    suspend: bool = False


class ImagePolicyStatus(Status):
    latest_ref: ImageRef | None = None
    observed_previous_ref: ImageRef | None = None


class ImagePolicy(Object):
    spec: ImagePolicySpec
    status: Annotated[ImagePolicyStatus, INITIAL_STATUS] = msgspec.field(default_factory=ImagePolicyStatus)


class ImageRepositorySpec(Value):
    """Without `timeout` it is the interval."""

    image: str
    interval: Duration
    access_from: AccessFrom | None = None
    cert_secret_ref: LocalObjectReference | None = None
    exclusion_list: Annotated[tuple[str, ...], Schema(max_items=25)] = (r"^.*\.sig$",)
    insecure: bool = False
    provider: Literal["generic", "aws", "azure", "gcp"] = "generic"
    proxy_secret_ref: LocalObjectReference | None = None
    secret_ref: LocalObjectReference | None = None
    service_account_name: Annotated[str, Schema(max_length=253)] = ""
    suspend: bool = False
    timeout: Timeout | None = None


class ImageRepositoryStatus(Status):
    canonical_image_name: str = ""
    last_scan_result: ScanResult | None = None
    observed_exclusion_list: tuple[str, ...] = ()


class ImageRepository(Object):
    spec: ImageRepositorySpec
    status: Annotated[ImageRepositoryStatus, INITIAL_STATUS] = msgspec.field(default_factory=ImageRepositoryStatus)
