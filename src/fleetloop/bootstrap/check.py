"""`check`: is the cluster fit for an installation, and is the one in it healthy. Changes nothing."""

from collections.abc import Sequence

from fleetloop.bootstrap.errors import BootstrapError
from fleetloop.bootstrap.installed import CRD_API, SELECTOR, find_installed
from fleetloop.bootstrap.prerequisites import CONSTRAINT, kubernetes_version
from fleetloop.bootstrap.say import Say
from fleetloop.bootstrap.waits import follow_deployments
from fleetloop.kube import ApiError, Kube, Manifest, Unreachable


async def check_prerequisites(kube: Kube, say: Say) -> bool:
    say.action("checking prerequisites")
    try:
        say.success(f"Kubernetes {await kubernetes_version(kube)} {CONSTRAINT}")
    except BootstrapError as error:
        say.failure(str(error))
        return False
    return True


async def check_installation(kube: Kube, namespace: str, expected: Sequence[str], timeout: float, say: Say) -> bool:
    """`expected`: components that must be among those found (⚠ 45); () for whatever there is. `timeout` in seconds."""
    say.action("checking version in cluster")
    is_sound = await _check_version(kube, say)
    say.action("checking controllers")
    is_sound &= await _check_controllers(kube, namespace, expected, timeout, say)
    say.action("checking crds")
    return await _check_definitions(kube, say) and is_sound


async def _check_version(kube: Kube, say: Say) -> bool:
    try:
        installed = await find_installed(kube)
    except BootstrapError as error:
        say.failure(f"checking failed: {error}")
        return False
    if installed and installed.distribution:
        say.success(f"distribution: {installed.distribution}")
    say.success(f"bootstrapped: {'true' if installed and installed.is_bootstrapped else 'false'}")
    return True


async def _check_controllers(kube: Kube, namespace: str, expected: Sequence[str], timeout: float, say: Say) -> bool:
    """All Deployments are waited for together (⚠ 46)."""
    try:
        found = await kube.list("apps/v1", "Deployment", namespace, label_selector=SELECTOR)
    except (ApiError, Unreachable) as error:
        say.failure(f"checking controllers failed: {error}")
        return False
    if not found:
        say.failure(f"no controllers found in the '{namespace}' namespace with the label selector '{SELECTOR}'")
        return False
    images = {one["metadata"]["name"]: images_of(one) for one in found}
    healths = await follow_deployments(kube, namespace, sorted(images), timeout)
    healths |= {name: "not found" for name in expected if name not in images}
    for name, health in sorted(healths.items()):
        (say.success if health == "ready" else say.failure)(f"{name}: deployment {health}")
        for image in images.get(name, []):
            say.action(image)
    return set(healths.values()) == {"ready"}


async def _check_definitions(kube: Kube, say: Say) -> bool:
    try:
        found = await kube.list(CRD_API, "CustomResourceDefinition", label_selector=SELECTOR)
    except (ApiError, Unreachable) as error:
        say.failure(f"checking crds failed: {error}")
        return False
    if not found:
        say.failure(f"no crds found with the label selector '{SELECTOR}'")
        return False
    is_sound = True
    for definition in found:
        name = definition["metadata"]["name"]
        stored = (definition.get("status") or {}).get("storedVersions") or []
        if stored:
            say.success(f"{name}/{stored[-1]}")
        else:
            say.failure(f"no stored versions for {name}")
            is_sound = False
    return is_sound


def images_of(deployment: Manifest) -> list[str]:
    containers = deployment["spec"]["template"]["spec"].get("containers") or []
    return [str(container.get("image", "")) for container in containers]
