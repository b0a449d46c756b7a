"""The message of a commit: the default one, or the object's template, which an engine renders. Flux: 5.5."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fleetloop.api.image import ImageUpdateAutomation
from fleetloop.controllers.image_automation.setters import Change

DEFAULT = "Update from image update automation"
# The engine's verb's arguments -> the message. Raises ValueError for a template that cannot be rendered.
Render = Callable[[dict[str, Any]], Awaitable[str]]


async def message_of(automation: ImageUpdateAutomation, changes: Sequence[tuple[str, Change]], render: Render) -> str:
    """`changes`: with their files. Raises ValueError."""
    commit = automation.spec.git.commit if automation.spec.git else None
    if commit is None or not commit.message_template:
        return DEFAULT
    return await render(
        {
            "template": commit.message_template,
            "object": {"namespace": automation.namespace, "name": automation.name},
            "values": commit.message_template_values,
            "changes": [_told(file, change) for file, change in changes],
        }
    )


def _told(file: str, change: Change) -> dict[str, Any]:
    resource, image = change.resource, change.image
    namespace, name = change.policy
    return {
        "file": file,
        "object": {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "namespace": resource.namespace,
            "name": resource.name,
        },
        "old": change.old_value,
        "new": change.new_value,
        "setter": change.setter,
        "policy": {"namespace": namespace, "name": name},
        "image": {"name": image.name, "tag": image.tag, "digest": image.digest},
    }
