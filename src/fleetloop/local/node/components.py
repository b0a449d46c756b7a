"""Which pods really run here: those of fleetloop's controllers. Pure."""

from typing import Any

from fleetloop.kube import Manifest

COMPONENTS = frozenset(
    {
        "source-controller",
        "kustomize-controller",
        "helm-controller",
        "notification-controller",
        "image-reflector-controller",
        "image-automation-controller",
        "source-watcher",
    }
)
CONTAINER = "manager"


def component_of(pod: Manifest) -> str:
    """`kustomize-controller` for a pod whose container `manager` has an image of that name, wherever it is from; else empty."""
    for container in (pod.get("spec") or {}).get("containers") or []:
        if container["name"] == CONTAINER:
            name = image_name(container["image"])
            return name if name in COMPONENTS else ""
    return ""


def image_name(image: str) -> str:
    """`registry:5000/team/helm-controller:v1@sha256:…` -> `helm-controller`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def started_container(pod: Manifest) -> dict[str, Any]:
    """The container of a component's pod that is started as a process."""
    return next(c for c in pod["spec"]["containers"] if c["name"] == CONTAINER)
