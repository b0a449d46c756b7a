"""`uninstall`: the controllers and the API's own objects go; what they deployed stays.

Where the peer goes on over every error and ends well (⚠ 44), this waits for the controllers to end before it takes
their rights and finalizers away, looks whether everything is gone, and fails when something is not.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fleetloop.api.kinds import KINDS
from fleetloop.bootstrap.errors import Cancelled, StepFailed
from fleetloop.bootstrap.installed import CRD_API, SELECTOR, Ask, find_installed
from fleetloop.bootstrap.say import Say
from fleetloop.bootstrap.waits import until
from fleetloop.kube import ApiError, Kube, Manifest, NotFound, ObjectRef, Unreachable, ref_of
from fleetloop.task_group import TaskGroup

DEPLOYMENT = ("apps/v1", "Deployment")
IN_NAMESPACE = (
    ("v1", "Service"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("v1", "ServiceAccount"),
)
IN_CLUSTER = (("rbac.authorization.k8s.io/v1", "ClusterRole"), ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"))
WITH_FINALIZERS = (
    "GitRepository",
    "OCIRepository",
    "HelmRepository",
    "HelmChart",
    "Bucket",
    "Kustomization",
    "HelmRelease",
    "Alert",
    "Provider",
    "Receiver",
    "ImagePolicy",
    "ImageRepository",
    "ImageUpdateAutomation",
    "ArtifactGenerator",
)


@dataclass(frozen=True, slots=True)
class Removal:
    namespace: str
    keeps_namespace: bool = False
    is_rehearsal: bool = False

    @property
    def suffix(self) -> str:
        """⚠ 42: a line ends in a space, which the rehearsal's words follow."""
        return "(dry run)" if self.is_rehearsal else ""


@dataclass(slots=True)
class _Work:
    kube: Kube
    removal: Removal
    say: Say
    failures: int = 0
    gone: list[Manifest] = field(default_factory=list)

    def failed(self, text: str) -> None:
        self.say.failure(text)
        self.failures += 1


async def confirm_uninstall(kube: Kube, ask: Ask) -> None:
    """Raises Cancelled unless the answer is yes."""
    installed = await find_installed(kube)
    question = "Are you sure you want to delete Flux and its custom resource definitions"
    if installed and installed.has_other_manager:
        question = f"Flux is managed by {installed.managed_by}! Are you sure you want to delete Flux and its CRDs using Flux CLI"
    if not await ask(question):
        raise Cancelled("aborting")


async def uninstall(removal: Removal, kube: Kube, say: Say, timeout: float) -> None:
    """Raises StepFailed when something could not be removed. `timeout` in seconds, for each wait."""
    work = _Work(kube, removal, say)
    say.action(f"deleting components in {removal.namespace} namespace")
    await _end_controllers(work, timeout)
    for api_version, kind in IN_NAMESPACE:
        await _delete_all(work, api_version, kind, removal.namespace)
    for api_version, kind in IN_CLUSTER:
        await _delete_all(work, api_version, kind, "")

    say.action("deleting toolkit.fluxcd.io finalizers in all namespaces")
    for kind in WITH_FINALIZERS:
        api_version = next(known.api_version for known in KINDS if known.kind == kind)
        for live in await _listed(work, api_version, kind, "", ""):
            await _strip(work, live)

    say.action("deleting toolkit.fluxcd.io custom resource definitions")
    await _delete_all(work, CRD_API, "CustomResourceDefinition", "")
    if not removal.keeps_namespace:
        await _delete(work, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": removal.namespace}})
    await _until_gone(work, timeout, _shared)
    if work.failures:
        raise StepFailed(f"uninstall failed: {work.failures} object(s) could not be removed")
    say.success("uninstall finished")


async def _end_controllers(work: _Work, timeout: float) -> None:
    """Until its process ends, kustomize-controller brings back what it finds deleted: a Deployment with pods goes after them, so
    that its own cannot come back, and what came back meanwhile goes too."""
    pods = await _listed(work, "v1", "Pod", work.removal.namespace, SELECTOR)
    propagation = "Foreground" if pods else "Background"
    while True:
        gone, failures = len(work.gone), work.failures
        await _delete_all(work, *DEPLOYMENT, work.removal.namespace, propagation)
        if len(work.gone) == gone or work.removal.is_rehearsal:
            return
        await _until_gone(work, timeout, _controllers)
        if work.failures > failures:
            return


async def _delete_all(work: _Work, api_version: str, kind: str, namespace: str, propagation: str = "Background") -> None:
    for live in await _listed(work, api_version, kind, namespace, SELECTOR):
        await _delete(work, live, propagation)


async def _listed(work: _Work, api_version: str, kind: str, namespace: str, selector: str) -> list[Manifest]:
    try:
        return await work.kube.list(api_version, kind, namespace, label_selector=selector)
    except NotFound:
        return []  # the kind is not served
    except (ApiError, Unreachable) as error:
        work.failed(f"{kind} listing failed: {error}")
        return []


async def _delete(work: _Work, live: Manifest, propagation: str = "Background") -> None:
    ref = ref_of(live)
    try:
        if work.removal.is_rehearsal:
            await work.kube.get(ref)
        else:
            await work.kube.delete(ref, propagation=propagation)
    except NotFound:
        return  # an earlier run got this far
    except (ApiError, Unreachable) as error:
        work.failed(f"{ref} deletion failed: {error}")
        return
    if ref not in map(ref_of, work.gone):  # else it came back, and was told already
        work.say.success(f"{ref} deleted {work.removal.suffix}")
    work.gone.append(live)


async def _strip(work: _Work, live: Manifest) -> None:
    """⚠ 43: all finalizers go, also foreign ones; the definition is deleted next, and no object outlives that."""
    ref = ref_of(live)
    try:
        if live["metadata"].get("finalizers") and not work.removal.is_rehearsal:
            await work.kube.patch(ref, {"metadata": {"finalizers": None}})
    except NotFound:
        return
    except (ApiError, Unreachable) as error:
        work.failed(f"{ref} removing finalizers failed: {error}")
        return
    work.say.success(f"{ref} finalizers deleted {work.removal.suffix}")


async def _until_gone(work: _Work, timeout: float, what: Callable[[_Work], Awaitable[list[Manifest]]]) -> None:
    if work.removal.is_rehearsal:
        return
    objects = await what(work)
    left = {ref_of(one) for one in objects}
    try:
        async with asyncio.timeout(timeout), TaskGroup() as group:
            for one in objects:
                group.create_task(_gone(work.kube, one, left))
    except TimeoutError:
        for ref in sorted(left):
            work.failed(f"{ref} is still being deleted after {timeout:g}s")


async def _gone(kube: Kube, one: Manifest, left: set[ObjectRef]) -> None:
    async def judge(live: Manifest | None) -> bool | None:
        """Another object of the name is no longer this one."""
        return None if live and live["metadata"]["uid"] == one["metadata"].get("uid", live["metadata"]["uid"]) else True

    with contextlib.suppress(NotFound):  # its kind went too
        await until(kube, ref_of(one), judge)
    left.discard(ref_of(one))


async def _controllers(work: _Work) -> list[Manifest]:
    """The deleted Deployments and their pods; other pods may carry the label."""
    deployments = [one for one in work.gone if one["kind"] == "Deployment"]
    apps: set[Any] = {one["metadata"]["name"] for one in deployments}
    pods = await _listed(work, "v1", "Pod", work.removal.namespace, SELECTOR)
    return deployments + [pod for pod in pods if (pod["metadata"].get("labels") or {}).get("app") in apps]


async def _shared(work: _Work) -> list[Manifest]:
    """What is gone only when everything in it is."""
    return [one for one in work.gone if one["kind"] in ("CustomResourceDefinition", "Namespace")]
