"""`trace`: which Kustomization or HelmRelease applied an object, and from which source."""

from collections.abc import Sequence
from dataclasses import dataclass

from fleetloop.api.names import HELM_RELEASE_NAME, HELM_RELEASE_NAMESPACE, KUSTOMIZATION_NAME, KUSTOMIZATION_NAMESPACE
from fleetloop.cli.columns import at, source_ref_of, text_at
from fleetloop.cli.command import Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.lookup import named_in, ref_named
from fleetloop.cli.subjects import BY_NAME
from fleetloop.cli.trace_report import Trail, report_of
from fleetloop.kube.errors import ApiError
from fleetloop.kube.objects import Manifest, ObjectRef, labels_of, ref_of
from fleetloop.kube.oneshot import OneShot

_OWNERS = (
    ("Kustomization", KUSTOMIZATION_NAME, KUSTOMIZATION_NAMESPACE),
    ("HelmRelease", HELM_RELEASE_NAME, HELM_RELEASE_NAMESPACE),
)
_MOST_OWNERS = 20  # an object above another, above another ...


class NotTraced(CliError):
    """Of one object; the others are traced all the same."""


@dataclass(frozen=True)
class Trace(Command):
    """Find out which Kustomization or HelmRelease applied an object, and from which source it came.

    Examples:
      fleetloop trace deployment app --namespace=apps
      fleetloop trace deploy/app svc/app --namespace=apps
      fleetloop trace app --kind=Deployment --api-version=apps/v1 --namespace=apps
    """

    words: tuple[str, ...] = argument(many=True, usage="<resource> <name> [<name> ...]")
    kind: str = flag("--kind", help="the kind of the object")
    api_version: str = flag("--api-version", help="the API version of the object, as in apps/v1")

    def check(self) -> None:
        if not (self.kind or self.api_version):
            named_in(self.words)
        elif not self.words:
            raise UsageError("object name is required")
        elif not self.kind:
            raise UsageError("object kind is required (--kind)")
        elif not self.api_version:
            raise UsageError("object apiVersion is required (--api-version)")
        elif self.api_version.count("/") > 1:
            raise UsageError(f"invaild apiVersion: unexpected GroupVersion string: {self.api_version}")

    def run(self, cx: Context) -> None:
        """⚠ CLI35: an object whose origin is not found is told on stderr, and the exit code stays 0."""
        reports = []
        for obj in self._objects(cx):
            ref = ref_of(obj)
            try:
                reports.append(report_of(_traced(cx.cluster, obj)))
            except NotTraced as error:
                cx.say.stream.write(f"failed to trace {ref.kind}/{ref.name} in namespace {ref.namespace}: {error}\n")
        cx.write("---\n".join(reports))

    def _objects(self, cx: Context) -> list[Manifest]:
        if self.kind:
            try:
                resource = cx.cluster.resource_for(self.api_version, self.kind)
                namespace = cx.namespace if resource.namespaced else ""
                return [cx.cluster.get(ObjectRef(self.api_version, self.kind, namespace, self.words[0]))]
            except ApiError as error:
                raise CliError(f"failed to find object: {error}") from None
        resources = list(cx.cluster.resources().values())
        refs = [ref_named(resources, word, name, cx.namespace) for word, name in named_in(self.words)]
        try:
            return [cx.cluster.get(ref) for ref in refs]
        except ApiError as error:
            raise CliError(f"x: {error}") from None


def _traced(cluster: OneShot, obj: Manifest) -> Trail:
    """Raises NotTraced."""
    for kind, *wanted in _OWNERS:
        if labels := _labels_above(cluster, obj, wanted):
            owner = _found(cluster, kind, labels[wanted[1]], labels[wanted[0]])
            chart = _chart_of(cluster, owner) if kind == "HelmRelease" else None
            return Trail(obj, owner, chart, _source_of(cluster, owner, chart))
    raise NotTraced("object not managed by Flux")


def _labels_above(cluster: OneShot, obj: Manifest, wanted: Sequence[str], left: int = _MOST_OWNERS) -> dict[str, str]:
    """The labels of the object or the nearest owner above it that has those wanted; an owner that is gone ends the search."""
    if labels_of(obj).keys() >= set(wanted):
        return labels_of(obj)
    for owner in at(obj, "metadata", "ownerReferences") or () if left else ():
        try:
            ref = ObjectRef(owner["apiVersion"], owner["kind"], at(obj, "metadata", "namespace") or "", owner["name"])
            if labels := _labels_above(cluster, cluster.get(ref), wanted, left - 1):
                return labels
        except ApiError:
            return {}
    return {}


def _chart_of(cluster: OneShot, release: Manifest) -> Manifest | None:
    namespace, _, name = text_at(release, "status", "helmChart").partition("/")
    return _found(cluster, "HelmChart", namespace, name) if name else None


def _source_of(cluster: OneShot, owner: Manifest, chart: Manifest | None) -> Manifest | None:
    """None for a kind of source that is not shown."""
    ref = at(chart, "spec", "sourceRef") if chart else source_ref_of(owner)
    if not ref or ref.get("kind") not in {"GitRepository", "OCIRepository", "ExternalArtifact", "HelmRepository"}:
        return None
    namespace = ref.get("namespace") or (chart or owner)["metadata"]["namespace"]
    source = _found(cluster, ref["kind"], namespace, ref["name"])
    if ref["kind"] == "ExternalArtifact" and not at(source, "spec", "sourceRef"):
        raise NotTraced(f"ExternalArtifact {namespace}/{ref['name']} is missing spec.sourceRef")
    return source


def _found(cluster: OneShot, kind: str, namespace: str, name: str) -> Manifest:
    shown = kind.lower() if kind == "Kustomization" else kind
    try:
        return cluster.get(ObjectRef(BY_NAME[kind].api_version, kind, namespace, name))
    except ApiError as error:
        raise NotTraced(f"failed to find {shown}: {error}") from None
