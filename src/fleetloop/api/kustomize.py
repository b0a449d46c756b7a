"""kustomize.toolkit.fluxcd.io: Kustomization, a folder of a source kept applied to a cluster."""

from typing import Annotated, Literal

import msgspec

from .applier import CustomHealthCheck, DependencyReference, IgnoreRule, Image, KubeConfigReference, Patch, ResourceInventory
from .meta import CommonMetadata, LocalObjectReference, Object, ObjectReference, Status, Value
from .schema import INITIAL_STATUS, Duration, Int64, NamespaceName, ObjectName, Schema, Time


class Decryption(Value):
    """How encrypted files in the source are decrypted."""

    provider: Literal["sops"]
    secret_ref: LocalObjectReference | None = None
    service_account_name: str = ""


class SubstituteReference(Value):
    """A ConfigMap or Secret whose keys are variables."""

    kind: Literal["Secret", "ConfigMap"]
    name: ObjectName
    optional: Annotated[bool, Schema(default=False)] = False


class PostBuild(Value):
    """Variables put in after the build."""

    substitute: dict[str, str] = {}
    substitute_from: tuple[SubstituteReference, ...] = ()
    substitute_strategy: Literal["WithVariables", "Always"] | None = None


class CrossNamespaceSourceReference(Value):
    """The source whose artifact is built."""

    kind: Literal["OCIRepository", "GitRepository", "Bucket", "ExternalArtifact"]
    name: str
    api_version: str = ""
    namespace: str = ""


class Snapshot(Value):
    """Passes in a row with the same result, newest first in the list."""

    digest: str
    first_reconciled: Time
    last_reconciled: Time
    last_reconciled_duration: str
    last_reconciled_status: str
    total_reconciliations: Int64
    metadata: dict[str, str] = {}


class KustomizationSpec(Value):
    """Without `timeout` a pass has the interval less 30 s; without `retry_interval` a failed one is repeated at the interval."""

    interval: Duration
    prune: bool
    source_ref: CrossNamespaceSourceReference
    build_metadata: tuple[Literal["originAnnotations", "transformerAnnotations"], ...] = ()
    common_metadata: CommonMetadata | None = None
    components: tuple[str, ...] = ()
    decryption: Decryption | None = None
    deletion_policy: Literal["MirrorPrune", "Delete", "WaitForTermination", "Orphan"] | None = None
    depends_on: tuple[DependencyReference, ...] = ()
    force: Annotated[bool, Schema(default=False)] = False
    health_check_exprs: tuple[CustomHealthCheck, ...] = ()
    health_checks: tuple[ObjectReference, ...] = ()
    ignore: tuple[IgnoreRule, ...] = ()
    ignore_missing_components: bool = False
    images: tuple[Image, ...] = ()
    kube_config: KubeConfigReference | None = None
    name_prefix: Annotated[str, Schema(min_length=1, max_length=200)] = ""
    name_suffix: Annotated[str, Schema(min_length=1, max_length=200)] = ""
    patches: tuple[Patch, ...] = ()
    path: str = ""
    post_build: PostBuild | None = None
    retry_interval: Duration | None = None
    service_account_name: str = ""
    suspend: bool = False
    target_namespace: NamespaceName = ""
    timeout: Duration | None = None
    wait: bool = False


class KustomizationStatus(Status):
    history: tuple[Snapshot, ...] = ()
    inventory: ResourceInventory | None = None
    last_applied_origin_revision: str = ""
    last_applied_revision: str = ""
    last_attempted_revision: str = ""


class Kustomization(Object):
    spec: KustomizationSpec
    status: Annotated[KustomizationStatus, INITIAL_STATUS] = msgspec.field(default_factory=KustomizationStatus)
