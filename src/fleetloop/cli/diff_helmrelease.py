"""`diff helmrelease`: what an install or upgrade would change in the cluster. Exit codes: 0 nothing, 1 something, 2 an error."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fleetloop.api.names import HELM_CONTROLLER
from fleetloop.cli.columns import at
from fleetloop.cli.command import Command, argument, options
from fleetloop.cli.context import Context
from fleetloop.cli.diff_kustomization import FAILED, Findings
from fleetloop.cli.diff_objects import Comparison, Verdict, inventory_of
from fleetloop.cli.engines import engines_of
from fleetloop.cli.errors import CliError, UsageError, text_of
from fleetloop.cli.local_release import DEFINITION, LocalRelease, ReleaseFlags, Rendered, find_release
from fleetloop.kube.errors import ApiError, BadConnection, KindUnknown, Unreachable
from fleetloop.kube.inventory import stale
from fleetloop.kube.objects import Manifest, annotations_of, ref_of

if TYPE_CHECKING:
    from fleetloop.kube import Kube

KEEP = "helm.sh/resource-policy"


@dataclass(frozen=True)
class DiffHelmRelease(Command):
    """Show what a HelmRelease would change in the cluster with the chart, values and spec it has or would have.

    Hooks are not compared. Values of Secrets are never shown. Exit codes: 0 no change, 1 at least one change, 2 an error.

    Examples:
      fleetloop diff helmrelease app -n apps --helmrelease-file=./app.yaml
      fleetloop diff helmrelease app -n apps --chart-path=./charts/app
    """

    is_bounded: ClassVar[bool] = False  # by itself, for the exit code

    names_kind = "HelmRelease"

    name: str = argument()
    flags: ReleaseFlags = options(ReleaseFlags)

    def check(self) -> None:
        if not self.name:
            raise UsageError("helmrelease name is required", FAILED)
        self.flags.check(FAILED)

    async def run(self, cx: Context) -> None:
        try:
            await asyncio.to_thread(lambda: cx.connection)
        except (BadConnection, CliError) as error:
            raise CliError(str(error), FAILED) from None
        findings = Findings()
        async with cx.kube() as kube, engines_of(cx) as engines:
            try:
                async with asyncio.timeout(cx.remaining()):
                    file = self.flags.helmrelease_file
                    manifest, is_live = await find_release(kube, self.name, cx.namespace, file)
                    if at(manifest, "spec", "kubeConfig"):
                        raise CliError(f"{ref_of(manifest)}: diff not supported for remote clusters")
                    rendered = await LocalRelease(self.flags, engines, kube).render(manifest)
                    await _compare(kube, rendered, findings)
                    if is_live and not findings.errors:
                        await _find_removed(kube, rendered, findings)
            except TimeoutError:
                findings.errors.append("context deadline exceeded")
            except (CliError, ApiError, Unreachable) as error:
                findings.errors.append(text_of(error))
        findings.tell(cx)


async def _compare(kube: "Kube", rendered: Rendered, findings: Findings) -> None:
    definitions = [one for one in rendered.definitions if rendered.replaces_definitions or not await kube.find(ref_of(one))]
    objects = [await _as_released(kube, manifest, rendered) for manifest in rendered.objects]
    comparison = Comparison(kube, [*definitions, *objects], lambda manifest: manifest, force=False, manager=HELM_CONTROLLER)
    for verdict in await comparison.verdicts():
        findings.add(verdict)


async def _find_removed(kube: "Kube", rendered: Rendered, findings: Findings) -> None:
    """What the release has and the chart does not bring any more; definitions always stay."""
    wanted = [ref_of(await _as_released(kube, manifest, rendered)) for manifest in rendered.objects]
    for ref in stale(inventory_of(rendered.manifest), wanted):
        live = await kube.find(ref) if ref.kind != DEFINITION else None
        if live is not None:
            findings.add(Verdict(ref, "skipped" if annotations_of(live).get(KEEP) == "keep" else "deleted"))


async def _as_released(kube: "Kube", manifest: Manifest, rendered: Rendered) -> Manifest:
    """With Helm's own marks, and in the release's namespace where it names none."""
    from fleetloop.controllers.helm.release import release_name, release_namespace

    name, namespace = release_name(rendered.release), release_namespace(rendered.release)
    metadata = dict(manifest["metadata"])
    metadata["labels"] = (metadata.get("labels") or {}) | {"app.kubernetes.io/managed-by": "Helm"}
    marks = {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": namespace}
    metadata["annotations"] = (metadata.get("annotations") or {}) | marks
    if not metadata.get("namespace") and await _is_namespaced(kube, manifest, rendered):
        metadata["namespace"] = namespace
    return {key: value for key, value in manifest.items() if key != "status"} | {"metadata": metadata}


async def _is_namespaced(kube: "Kube", manifest: Manifest, rendered: Rendered) -> bool:
    """As the cluster says, or the chart's own definition of the kind."""
    try:
        return (await kube.resource_for(manifest["apiVersion"], manifest["kind"])).namespaced
    except KindUnknown:
        scopes = {at(one, "spec", "names", "kind"): at(one, "spec", "scope") for one in rendered.definitions}
        return bool(scopes.get(manifest["kind"]) != "Cluster")
