"""The variables of a Kustomization's postBuild, read from the cluster."""

import base64
from typing import TYPE_CHECKING

from fleetloop.cli.columns import at
from fleetloop.cli.errors import CliError
from fleetloop.kube.errors import ApiError, NotFound
from fleetloop.kube.objects import Manifest, ObjectRef

if TYPE_CHECKING:
    from fleetloop.kube import Kube


async def read_variables(kustomization: Manifest, kube: "Kube | None") -> dict[str, str]:
    """By name. Without a cluster only those written in the object itself. Raises CliError."""
    from fleetloop.build import variables_of

    post_build = at(kustomization, "spec", "postBuild") or {}
    referenced = []
    for ref in (post_build.get("substituteFrom") or ()) if kube else ():
        where = ObjectRef("v1", ref["kind"], kustomization["metadata"]["namespace"], ref["name"])
        try:
            referenced.append(text_of(await kube.get(where)))  # type: ignore[union-attr]  # the loop is empty without it
        except NotFound as error:
            if not ref.get("optional"):
                raise CliError(f"substitute from '{where.kind}/{where.name}' error: {error}") from None
        except ApiError as error:
            raise CliError(f"substitute from '{where.kind}/{where.name}' error: {error}") from None
    return variables_of(referenced, post_build.get("substitute") or {})


def text_of(manifest: Manifest) -> dict[str, str]:
    """The data of a ConfigMap or Secret as text."""
    data = manifest.get("data") or {}
    if manifest["kind"] == "Secret":
        return {name: base64.b64decode(value).decode(errors="replace") for name, value in data.items()}
    return dict(data)
