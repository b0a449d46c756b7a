"""Every kind of the API: its names, versions, columns, and the struct that holds an object of it."""

from dataclasses import dataclass
from typing import NamedTuple

from . import names
from .helm import HelmRelease
from .image import ImagePolicy, ImageRepository, ImageUpdateAutomation
from .kustomize import Kustomization
from .meta import Object
from .notification import Alert, Provider, Receiver
from .source import Bucket, ExternalArtifact, GitRepository, HelmChart, HelmRepository, OCIRepository
from .source_extensions import ArtifactGenerator


class Column(NamedTuple):
    """A column of `kubectl get`; priority 1 shows only with `-o wide`."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`version` is the one that is stored and that we speak; `deprecated_versions` are served beside it.

    `static` kinds have no status and are never reconciled. `human` is what the CLI calls one object in a sentence.
    """

    struct: type[Object]
    group: str
    version: str
    plural: str
    human: str
    component: str
    columns: tuple[Column, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    deprecated_versions: tuple[str, ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    suspendable: bool = True
    static: bool = False

    @property
    def kind(self) -> str:
        return self.struct.__name__

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"

    @property
    def crd_name(self) -> str:
        return f"{self.plural}.{self.group}"

    @property
    def served_versions(self) -> tuple[str, ...]:
        """The current one first."""
        return (self.version, *self.deprecated_versions)


_AGE = Column("Age", ".metadata.creationTimestamp", "date")
_READY = Column("Ready", '.status.conditions[?(@.type=="Ready")].status')
_STATUS = Column("Status", '.status.conditions[?(@.type=="Ready")].message')
_URL = Column("URL", ".spec.url")
_BETAS = ("v1beta1", "v1beta2")
_NO_SUBSTITUTION = ((names.SUBSTITUTE, "disabled"),)

KINDS: tuple[Kind, ...] = (
    Kind(
        struct=GitRepository,
        group=names.SOURCE_GROUP,
        version="v1",
        plural="gitrepositories",
        short_names=("gitrepo",),
        human="source git",
        component=names.SOURCE_CONTROLLER,
        columns=(_URL, _AGE, _READY, _STATUS),
        deprecated_versions=_BETAS,
    ),
    Kind(
        struct=OCIRepository,
        group=names.SOURCE_GROUP,
        version="v1",
        plural="ocirepositories",
        short_names=("ocirepo",),
        human="source oci",
        component=names.SOURCE_CONTROLLER,
        columns=(_URL, _READY, _STATUS, _AGE),
        deprecated_versions=("v1beta2",),
    ),
    Kind(
        struct=HelmRepository,
        group=names.SOURCE_GROUP,
        version="v1",
        plural="helmrepositories",
        short_names=("helmrepo",),
        human="source helm",
        component=names.SOURCE_CONTROLLER,
        columns=(_URL, _AGE, _READY, _STATUS),
        deprecated_versions=_BETAS,
    ),
    Kind(
        struct=HelmChart,
        group=names.SOURCE_GROUP,
        version="v1",
        plural="helmcharts",
        short_names=("hc",),
        human="source chart",
        component=names.SOURCE_CONTROLLER,
        columns=(
            Column("Chart", ".spec.chart"),
            Column("Version", ".spec.version"),
            Column("Source Kind", ".spec.sourceRef.kind"),
            Column("Source Name", ".spec.sourceRef.name"),
            _AGE,
            _READY,
            _STATUS,
        ),
        deprecated_versions=_BETAS,
    ),
    Kind(
        struct=Bucket,
        group=names.SOURCE_GROUP,
        version="v1",
        plural="buckets",
        human="source bucket",
        component=names.SOURCE_CONTROLLER,
        columns=(Column("Endpoint", ".spec.endpoint"), _AGE, _READY, _STATUS),
        deprecated_versions=_BETAS,
    ),
    Kind(
        struct=ExternalArtifact,
        group=names.SOURCE_GROUP,
        version="v1",
        plural="externalartifacts",
        human="source external-artifact",
        component=names.SOURCE_CONTROLLER,
        columns=(_AGE, _READY, _STATUS, Column("Source", ".spec.sourceRef.name")),
        suspendable=False,
    ),
    Kind(
        struct=Kustomization,
        group=names.KUSTOMIZE_GROUP,
        version="v1",
        plural="kustomizations",
        short_names=("ks",),
        categories=("all", "fluxcd", "fluxcd-appliers"),
        human="kustomization",
        component=names.KUSTOMIZE_CONTROLLER,
        columns=(_AGE, _READY, _STATUS),
        deprecated_versions=_BETAS,
        annotations=_NO_SUBSTITUTION,
    ),
    Kind(
        struct=HelmRelease,
        group=names.HELM_GROUP,
        version="v2",
        plural="helmreleases",
        short_names=("hr",),
        categories=("all", "fluxcd", "fluxcd-appliers"),
        human="helmrelease",
        component=names.HELM_CONTROLLER,
        columns=(_AGE, _READY, _STATUS),
        deprecated_versions=("v2beta1", "v2beta2"),
        annotations=_NO_SUBSTITUTION,
    ),
    Kind(
        struct=Alert,
        group=names.NOTIFICATION_GROUP,
        version="v1beta3",
        plural="alerts",
        human="alert",
        component=names.NOTIFICATION_CONTROLLER,
        columns=(_AGE,),
        deprecated_versions=_BETAS,
        static=True,
    ),
    Kind(
        struct=Provider,
        group=names.NOTIFICATION_GROUP,
        version="v1beta3",
        plural="providers",
        human="alert provider",
        component=names.NOTIFICATION_CONTROLLER,
        columns=(_AGE,),
        deprecated_versions=_BETAS,
        static=True,
    ),
    Kind(
        struct=Receiver,
        group=names.NOTIFICATION_GROUP,
        version="v1",
        plural="receivers",
        human="receiver",
        component=names.NOTIFICATION_CONTROLLER,
        columns=(_AGE, _READY, _STATUS),
        deprecated_versions=_BETAS,
    ),
    Kind(
        struct=ImageRepository,
        group=names.IMAGE_GROUP,
        version="v1",
        plural="imagerepositories",
        short_names=("imgrepo", "imagerepo"),
        human="image repository",
        component=names.IMAGE_REFLECTOR_CONTROLLER,
        columns=(
            Column("Image", ".spec.image"),
            Column("Tags", ".status.lastScanResult.tagCount"),
            _READY,
            _STATUS,
            Column("Last scan", ".status.lastScanResult.scanTime", priority=1),
            _AGE,
        ),
        deprecated_versions=_BETAS,
    ),
    Kind(
        struct=ImagePolicy,
        group=names.IMAGE_GROUP,
        version="v1",
        plural="imagepolicies",
        short_names=("imgpol", "imagepol"),
        human="image policy",
        component=names.IMAGE_REFLECTOR_CONTROLLER,
        columns=(
            Column("Image", ".status.latestRef.name"),
            Column("Tag", ".status.latestRef.tag"),
            _READY,
            _STATUS,
            _AGE,
        ),
        deprecated_versions=_BETAS,
    ),
    Kind(
        struct=ImageUpdateAutomation,
        group=names.IMAGE_GROUP,
        version="v1",
        plural="imageupdateautomations",
        short_names=("iua", "imgupd", "imgauto"),
        human="image update automation",
        component=names.IMAGE_AUTOMATION_CONTROLLER,
        columns=(_READY, _STATUS, Column("Last run", ".status.lastAutomationRunTime", priority=1), _AGE),
        deprecated_versions=_BETAS,
    ),
    Kind(
        struct=ArtifactGenerator,
        group=names.SOURCE_EXTENSIONS_GROUP,
        version="v1beta1",
        plural="artifactgenerators",
        short_names=("ag",),
        human="artifactgenerator",
        component=names.SOURCE_WATCHER,
        columns=(_AGE, _READY, _STATUS),
        suspendable=False,
    ),
)


class UnknownKind(LookupError):
    """No kind of the API has that name."""


def kind_named(word: str) -> Kind:
    """By kind, singular, plural, short name or CRD name, in any case. Raises UnknownKind."""
    wanted = word.lower()
    for kind in KINDS:
        if wanted in {kind.singular, kind.plural, kind.crd_name, *kind.short_names}:
            return kind
    raise UnknownKind(f'no kind of the API is named "{word}"')


def kind_of(struct: type[Object]) -> Kind:
    return next(kind for kind in KINDS if kind.struct is struct)
