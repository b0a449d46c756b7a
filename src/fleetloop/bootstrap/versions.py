"""`version`: which versions run where, read off the controllers' images."""

from fleetloop.bootstrap.check import images_of
from fleetloop.bootstrap.errors import BootstrapError
from fleetloop.bootstrap.installed import SELECTOR, find_installed
from fleetloop.kube import Kube


async def versions_in(kube: Kube, namespace: str) -> tuple[str, dict[str, str]]:
    """The distribution, and image name -> tag. Raises BootstrapError."""
    found = await kube.list("apps/v1", "Deployment", namespace, label_selector=SELECTOR)
    if not found:
        raise BootstrapError(f"no deployments found in {namespace} namespace")
    installed = await find_installed(kube)
    images = [image for deployment in found for image in images_of(deployment)]
    return (installed.distribution if installed else ""), dict(version_of(image) for image in images)


def version_of(image: str) -> tuple[str, str]:
    """`registry:5000/a/b:v1@sha256:…` -> (b, v1). An image pinned by digest alone has that as its version (⚠ 47)."""
    name, at, digest = image.partition("@")
    path, _, last = name.rpartition("/")
    short, colon, tag = last.partition(":")
    if not short or (path and not path.strip("/")):
        raise BootstrapError(f"parsing image '{image}' failed: invalid reference format")
    if not (colon and tag) and not at:
        raise BootstrapError(f"missing image tag in image {image}")
    return short, tag or digest
