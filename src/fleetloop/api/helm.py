"""helm.toolkit.fluxcd.io: HelmRelease, a chart with values kept released in a cluster."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec

from .applier import CustomHealthCheck, DependencyReference, IgnoreRule, Image, KubeConfigReference, Patch, ResourceInventory
from .meta import CommonMetadata, LocalObjectReference, Object, Status, Value
from .schema import INITIAL_STATUS, Duration, Int64, NamespaceName, ObjectName, Rule, Schema, Time


class ChartSourceReference(Value):
    """The source a chart is taken from."""

    kind: Literal["HelmRepository", "GitRepository", "Bucket"]
    name: ObjectName
    api_version: str = ""
    namespace: NamespaceName = ""


class ChartVerification(Value):
    """How the signature of the chart is verified."""

    provider: Annotated[Literal["cosign", "notation"], Schema(required=True)] = "cosign"
    secret_ref: LocalObjectReference | None = None


class HelmChartTemplateSpec(Value):
    """The spec of the HelmChart that the controller makes."""

    chart: Annotated[str, Schema(min_length=1, max_length=2048)]
    source_ref: ChartSourceReference
    ignore_missing_values_files: bool = False
    interval: Duration | None = None
    reconcile_strategy: Literal["ChartVersion", "Revision"] = "ChartVersion"
    values_files: tuple[str, ...] = ()
    verify: ChartVerification | None = None
    version: str = "*"


class HelmChartTemplate(Value):
    """The HelmChart that the controller makes for this release."""

    spec: HelmChartTemplateSpec
    metadata: CommonMetadata | None = None


class CrossNamespaceChartReference(Value):
    """A source that holds the chart, made by somebody else."""

    kind: Literal["OCIRepository", "HelmChart", "ExternalArtifact"]
    name: ObjectName
    api_version: str = ""
    namespace: NamespaceName = ""


class DriftDetection(Value):
    """Whether changes by others are reported or undone, and which are left alone."""

    ignore: tuple[IgnoreRule, ...] = ()
    mode: Literal["enabled", "warn", "disabled"] | None = None


class InstallRemediation(Value):
    """What happens after a failed installation. Unset booleans follow `spec.test.ignore_failures` or the retries left."""

    ignore_test_failures: bool | None = None
    remediate_last_failure: bool | None = None
    retries: int = 0


class InstallStrategy(Value):
    """Whether a failed installation is remediated or tried again as it is."""

    rules: ClassVar = (
        Rule(
            "!has(self.retryInterval) || self.name != 'RemediateOnFailure'",
            ".retryInterval cannot be set when .name is 'RemediateOnFailure'",
        ),
    )
    name: Literal["RemediateOnFailure", "RetryOnFailure"]
    retry_interval: Duration | None = None


class Install(Value):
    """Options of the Helm install action."""

    crds: Literal["Skip", "Create", "CreateReplace"] | None = None
    create_namespace: bool = False
    disable_hooks: bool = False
    disable_open_api_validation: bool = False
    disable_schema_validation: bool = False
    disable_take_ownership: bool = False
    disable_wait: bool = False
    disable_wait_for_jobs: bool = False
    remediation: InstallRemediation | None = None
    replace: bool = False
    server_side_apply: bool | None = None
    skip_crds: bool = False
    strategy: InstallStrategy | None = None
    timeout: Duration | None = None


class KustomizePostRenderer(Value):
    """Patches and images applied to the rendered manifests; in Flux's order, for the digest."""

    patches: tuple[Patch, ...] = ()
    images: tuple[Image, ...] = ()


class PostRenderer(Value):
    """One step after rendering."""

    kustomize: KustomizePostRenderer | None = None


class Rollback(Value):
    """Options of the Helm rollback action."""

    cleanup_on_fail: bool = False
    disable_hooks: bool = False
    disable_wait: bool = False
    disable_wait_for_jobs: bool = False
    force: bool = False
    recreate: bool = False
    server_side_apply: Literal["enabled", "disabled", "auto"] | None = None
    timeout: Duration | None = None


class HelmTestFilter(Value):
    """A test hook to run, or with `exclude` to leave out."""

    name: ObjectName
    exclude: bool = False


class HelmTest(Value):
    """Options of the Helm test action."""

    enable: bool = False
    filters: tuple[HelmTestFilter, ...] = ()
    ignore_failures: bool = False
    timeout: Duration | None = None


class Uninstall(Value):
    """Options of the Helm uninstall action."""

    deletion_propagation: Literal["background", "foreground", "orphan"] = "background"
    disable_hooks: bool = False
    disable_wait: bool = False
    keep_history: bool = False
    timeout: Duration | None = None


class UpgradeRemediation(Value):
    """What happens after a failed upgrade. Unset booleans follow `spec.test.ignore_failures` or the retries left."""

    ignore_test_failures: bool | None = None
    remediate_last_failure: bool | None = None
    retries: int = 0
    strategy: Literal["rollback", "uninstall"] | None = None


class UpgradeStrategy(Value):
    """Whether a failed upgrade is remediated or tried again as it is."""

    rules: ClassVar = (
        Rule(
            "!has(self.retryInterval) || self.name == 'RetryOnFailure'",
            ".retryInterval can only be set when .name is 'RetryOnFailure'",
        ),
    )
    name: Literal["RemediateOnFailure", "RetryOnFailure"]
    retry_interval: Duration | None = None


class Upgrade(Value):
    """Options of the Helm upgrade action."""

    chart_name_change_strategy: Literal["InPlaceUpdate", "Reinstall"] | None = None
    cleanup_on_fail: bool = False
    crds: Literal["Skip", "Create", "CreateReplace"] | None = None
    disable_hooks: bool = False
    disable_open_api_validation: bool = False
    disable_schema_validation: bool = False
    disable_take_ownership: bool = False
    disable_wait: bool = False
    disable_wait_for_jobs: bool = False
    force: bool = False
    preserve_values: bool = False
    remediation: UpgradeRemediation | None = None
    server_side_apply: Literal["enabled", "disabled", "auto"] | None = None
    strategy: UpgradeStrategy | None = None
    timeout: Duration | None = None


class ValuesReference(Value):
    """A ConfigMap or Secret that holds values, or one value for `target_path`."""

    kind: Literal["Secret", "ConfigMap"]
    name: ObjectName
    literal: bool = False
    optional: bool = False
    target_path: Annotated[str, Schema(pattern=r"^([a-zA-Z0-9_\-.\\\/]|\[[0-9]{1,5}\])+$", max_length=250)] = ""
    values_key: Annotated[str, Schema(pattern=r"^[\-._a-zA-Z0-9]+$", max_length=253)] = ""


class WaitStrategy(Value):
    """How Helm waits for what it applied."""

    name: Literal["poller", "legacy"]


class HookRun(Value):
    """When a test hook last ran, and how it ended."""

    last_completed: Time | None = None
    last_started: Time | None = None
    phase: str = ""


class Snapshot(Value):
    """A release as Helm stored it, newest version first in the list."""

    chart_name: str
    chart_version: str
    config_digest: str
    digest: str
    first_deployed: Time
    last_deployed: Time
    name: str
    namespace: str
    status: str
    version: int
    action: str = ""
    api_version: str = ""
    app_version: str = ""
    deleted: Time | None = None
    oci_digest: str = ""
    test_hooks: dict[str, HookRun] | None = None  # an empty map says that tests ran and there were none


class HelmReleaseSpec(Value):
    """`chart` or `chart_ref`, one of them. A boolean that may be None differs from False: None is Helm's own default."""

    rules: ClassVar = (
        Rule(
            "(has(self.chart) && !has(self.chartRef)) || (!has(self.chart) && has(self.chartRef))",
            "either chart or chartRef must be set",
        ),
    )
    interval: Duration
    chart: HelmChartTemplate | None = None
    chart_ref: CrossNamespaceChartReference | None = None
    common_metadata: CommonMetadata | None = None
    depends_on: tuple[DependencyReference, ...] = ()
    drift_detection: DriftDetection | None = None
    health_check_exprs: tuple[CustomHealthCheck, ...] = ()
    install: Install | None = None
    kube_config: KubeConfigReference | None = None
    max_history: int | None = None
    persistent_client: bool | None = None
    post_render_strategy: Literal["nohooks", "combined", "separate"] | None = None
    post_renderers: tuple[PostRenderer, ...] = ()
    release_name: Annotated[str, Schema(min_length=1, max_length=53)] = ""
    rollback: Rollback | None = None
    service_account_name: ObjectName = ""
    storage_namespace: NamespaceName = ""
    suspend: bool = False
    target_namespace: NamespaceName = ""
    test: HelmTest | None = None
    timeout: Duration | None = None
    uninstall: Uninstall | None = None
    upgrade: Upgrade | None = None
    values: Annotated[Any, Schema(preserve_unknown=True)] = None
    values_from: tuple[ValuesReference, ...] = ()
    wait_strategy: WaitStrategy | None = None


class HelmReleaseStatus(Status):
    failures: Int64 = 0
    helm_chart: str = ""
    history: tuple[Snapshot, ...] = ()
    install_failures: Int64 = 0
    inventory: ResourceInventory | None = None
    last_attempted_config_digest: str = ""
    last_attempted_generation: Int64 = 0
    last_attempted_release_action: Literal["install", "upgrade"] | None = None
    last_attempted_release_action_duration: str = ""
    last_attempted_revision: str = ""
    last_attempted_revision_digest: str = ""
    last_attempted_values_checksum: str = ""
    last_handled_force_at: str = ""
    last_handled_reset_at: str = ""
    last_release_revision: int = 0
    observed_common_metadata_digest: str = ""
    observed_post_renderers_digest: str = ""
    storage_namespace: NamespaceName = ""
    upgrade_failures: Int64 = 0


class HelmRelease(Object):
    spec: HelmReleaseSpec
    status: Annotated[HelmReleaseStatus, INITIAL_STATUS] = msgspec.field(default_factory=HelmReleaseStatus)
