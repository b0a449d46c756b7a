"""Well-known names of the API: groups, labels, annotations, finalizers, components."""

SOURCE_GROUP = "source.toolkit.fluxcd.io"
SOURCE_EXTENSIONS_GROUP = "source.extensions.fluxcd.io"
KUSTOMIZE_GROUP = "kustomize.toolkit.fluxcd.io"
HELM_GROUP = "helm.toolkit.fluxcd.io"
NOTIFICATION_GROUP = "notification.toolkit.fluxcd.io"
IMAGE_GROUP = "image.toolkit.fluxcd.io"
EVENT_GROUP = "event.toolkit.fluxcd.io"  # prefix of the event metadata that users set

SOURCE_CONTROLLER = "source-controller"
KUSTOMIZE_CONTROLLER = "kustomize-controller"
HELM_CONTROLLER = "helm-controller"
NOTIFICATION_CONTROLLER = "notification-controller"
IMAGE_REFLECTOR_CONTROLLER = "image-reflector-controller"
IMAGE_AUTOMATION_CONTROLLER = "image-automation-controller"
SOURCE_WATCHER = "source-watcher"

DEFAULT_NAMESPACE = "flux-system"
FINALIZER = "finalizers.fluxcd.io"
ARTIFACT_GENERATOR_FINALIZER = f"{SOURCE_EXTENSIONS_GROUP}/finalizer"

REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
FORCE_AT = "reconcile.fluxcd.io/forceAt"  # HelmRelease only
RESET_AT = "reconcile.fluxcd.io/resetAt"  # HelmRelease only
WORKLOAD_IDENTITY_GATE = "ObjectLevelWorkloadIdentity"  # feature gate: service accounts of objects log in to clouds
WATCH_LABEL = "reconcile.fluxcd.io/watch"  # `Enabled` on ConfigMaps and Secrets whose change wakes their users

# On what a Kustomization applied.
KUSTOMIZATION_NAME = f"{KUSTOMIZE_GROUP}/name"
KUSTOMIZATION_NAMESPACE = f"{KUSTOMIZE_GROUP}/namespace"
# On what a Kustomization is about to apply, or on the live object.
RECONCILE = f"{KUSTOMIZE_GROUP}/reconcile"
PRUNE = f"{KUSTOMIZE_GROUP}/prune"
FORCE = f"{KUSTOMIZE_GROUP}/force"
SERVER_SIDE_APPLY = f"{KUSTOMIZE_GROUP}/ssa"
SUBSTITUTE = f"{KUSTOMIZE_GROUP}/substitute"
DECRYPT = f"{KUSTOMIZE_GROUP}/decrypt"

# On what a HelmRelease applied, and on the HelmChart it made.
HELM_RELEASE_NAME = f"{HELM_GROUP}/name"
HELM_RELEASE_NAMESPACE = f"{HELM_GROUP}/namespace"
DRIFT_DETECTION = f"{HELM_GROUP}/driftDetection"

ARTIFACT_GENERATOR_RECONCILE = f"{SOURCE_EXTENSIONS_GROUP}/reconcile"  # `disabled` suspends an ArtifactGenerator
GENERATOR_LABEL = f"{SOURCE_EXTENSIONS_GROUP}/generator"  # on an ExternalArtifact: the uid of its ArtifactGenerator
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
INSTANCE_LABEL = "app.kubernetes.io/instance"
PART_OF_LABEL = "app.kubernetes.io/part-of"
COMPONENT_LABEL = "app.kubernetes.io/component"
VERSION_LABEL = "app.kubernetes.io/version"
