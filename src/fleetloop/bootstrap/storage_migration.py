"""`migrate` in a cluster: every object is stored in its kind's current version, so that old versions can stop being served."""

from fleetloop.bootstrap.errors import StepFailed
from fleetloop.bootstrap.installed import CRD_API, SELECTOR
from fleetloop.bootstrap.say import Say
from fleetloop.kube import ApiError, Kube, Manifest, NotFound, Unreachable, ref_of


async def migrate_cluster(kube: Kube, say: Say) -> None:
    """Raises StepFailed at the first object that cannot be rewritten; running it again goes on."""
    say.action("starting migration of custom resources")
    for crd in await kube.list(CRD_API, "CustomResourceDefinition", label_selector=SELECTOR):
        await _migrate_kind(kube, crd, say)
    say.success("custom resources migrated successfully")


async def _migrate_kind(kube: Kube, crd: Manifest, say: Say) -> None:
    name, spec = crd["metadata"]["name"], crd["spec"]
    storage = next((version["name"] for version in spec["versions"] if version.get("storage")), "")
    if not storage:
        raise StepFailed(f"no storage version found for CRD {name}")
    api_version = f"{spec['group']}/{storage}"
    try:
        for live in await kube.list(api_version, spec["names"]["kind"]):
            await _rewrite(kube, live, api_version)
            say.success(f"{ref_of(live)} migrated to version {storage}")
        if (crd.get("status") or {}).get("storedVersions") != [storage]:
            await kube.patch(ref_of(crd), {"status": {"storedVersions": [storage]}}, subresource="status")
    except (ApiError, Unreachable) as error:
        raise StepFailed(f"failed to migrate resources for CRD {name}: {error}") from error
    say.success(f"{name} migrated to storage version {storage}")


async def _rewrite(kube: Kube, live: Manifest, api_version: str) -> None:
    """Field owners may still speak of an old version, which would then be needed to read them; else an empty patch suffices."""
    entries = live["metadata"].get("managedFields") or []
    current = [entry | {"apiVersion": api_version} for entry in entries]
    try:
        if current == entries:
            await kube.patch(ref_of(live), {})
        else:
            version = live["metadata"]["resourceVersion"]
            patch = [
                {"op": "test", "path": "/metadata/resourceVersion", "value": version},
                {"op": "replace", "path": "/metadata/managedFields", "value": current},
            ]
            await kube.patch(ref_of(live), patch, patch_type="json")
    except NotFound:
        return  # deleted meanwhile
