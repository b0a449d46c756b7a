"""Fields that the API does not have, in built-in kinds: left out of the apply, as Flux's clients leave them out, but told.

The server names them all at once, when it refuses the object: so nothing has to be known of its schemas. Custom resources,
Roles and ClusterRoles are refused as they are. Flux: source-kustomize.md 8.7.
"""

import re
from typing import Any

from fleetloop.kube.errors import ApiError
from fleetloop.kube.objects import Manifest, group_of
from fleetloop.kube.pointers import Pointer, without

_BUILT_IN = frozenset({"", "apps", "batch", "autoscaling", "policy", "extensions"}) | {
    f"{name}.k8s.io"
    for name in (
        "admissionregistration", "authentication", "authorization", "certificates", "coordination", "discovery", "events",
        "flowcontrol.apiserver", "internal.apiserver", "networking", "node", "rbac.authorization", "resource", "scheduling",
        "storage", "storagemigration",
    )
}  # fmt: skip
_LEFT_TO_THE_SERVER = frozenset({"Role", "ClusterRole"})
_TOLD = re.compile(r"(?:^|\s)(\.\S.*?): field not declared in schema")  # of the server's own words
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[([^\]]*)\]")


def without_unknown_fields(desired: Manifest, error: ApiError) -> tuple[Manifest, tuple[str, ...]]:
    """The object without the fields that the refusal names, and their names; nothing when it is refused for something else."""
    if not _is_built_in(desired):
        return desired, ()
    told = _TOLD.findall(error.message)
    pointers = [pointer for path in told if (pointer := pointer_to(desired, path))]
    if not told or len(pointers) < len(told):
        return desired, ()
    return without(desired, pointers), tuple(path.removeprefix(".") for path in told)


def pointer_to(desired: Any, path: str) -> Pointer | None:
    """`.spec.containers[name="web"].foo` -> its JSON pointer in this object; None when it is not there."""
    pointer: list[str] = []
    for field, position, keys in _STEP.findall(path):
        part: str = field or position or _position(desired, keys)
        if isinstance(desired, list) and part.isdecimal() and int(part) < len(desired):
            desired = desired[int(part)]
        elif isinstance(desired, dict) and part in desired:
            desired = desired[part]
        else:
            return None
        pointer.append(part)
    return tuple(pointer)


def _position(items: Any, keys: str) -> str:
    """`name="web"` or `containerPort=80,protocol="TCP"`: where that item of the list is."""
    wanted = {key: value.strip('"') for key, _, value in (pair.partition("=") for pair in keys.split(","))}
    for position, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and all(str(item[key]) == value for key, value in wanted.items() if key in item):
            return str(position)
    return ""


def _is_built_in(desired: Manifest) -> bool:
    return group_of(desired["apiVersion"]) in _BUILT_IN and desired["kind"] not in _LEFT_TO_THE_SERVER
