"""What an event of CDEvents v0.4 must have: the envelope, a type that there is, and what its content cannot do without. Pure.

Flux: helm-notification-image.md 3.6.
"""

from collections.abc import Mapping
from typing import Any

from fleetloop.controllers.notification.verification_errors import Unverified

_CONTEXT = ("version", "id", "source", "type", "timestamp")
_TYPES = {  # subject -> predicates
    "artifact": "deleted downloaded packaged published signed",
    "branch": "created deleted",
    "build": "finished queued started",
    "change": "abandoned created merged reviewed updated",
    "environment": "created deleted modified",
    "incident": "detected reported resolved",
    "pipelinerun": "finished queued started",
    "repository": "created deleted modified",
    "service": "deployed published removed rolledback upgraded",
    "taskrun": "finished started",
    "testcaserun": "finished queued skipped started",
    "testoutput": "published",
    "testsuiterun": "finished queued started",
    "ticket": "closed created updated",
}
_ENVIRONMENT = ("environment",)
_CONTENT = {
    **dict.fromkeys(("incident", "service", "testcaserun", "testsuiterun"), _ENVIRONMENT),
    **dict.fromkeys(("service.deployed", "service.rolledback", "service.upgraded"), (*_ENVIRONMENT, "artifactId")),
    "artifact.packaged": ("change",),
    "artifact.signed": ("signature",),
}


def check_cdevent(event: Mapping[str, Any]) -> None:
    """Raises Unverified."""
    context, subject = event.get("context"), event.get("subject")
    if not isinstance(context, dict) or not isinstance(subject, dict):
        raise Unverified("the body is no CDEvent: context or subject is missing")
    if not all(isinstance(context.get(key), str) and context[key] for key in _CONTEXT):
        raise Unverified(f"the body is no CDEvent: context must have {', '.join(_CONTEXT)}")
    if not context["version"].startswith("0.4."):
        raise Unverified("the body is no CDEvent of version 0.4")
    content = subject.get("content")
    if not isinstance(subject.get("id"), str) or not subject["id"] or not isinstance(content, dict):
        raise Unverified("the body is no CDEvent: subject must have id and content")
    dev, cdevents, about, predicate, *version = (context["type"] + "....").split(".")[:5]
    if (dev, cdevents) != ("dev", "cdevents") or predicate not in _TYPES.get(about, "").split() or version == [""]:
        raise Unverified(f"CDEvents v0.4 have no type '{context['type'][:100]}'")
    needed = _CONTENT.get(f"{about}.{predicate}") or _CONTENT.get(about, ())
    if missing := [name for name in needed if not content.get(name)]:
        raise Unverified(f"the content of a CDEvent '{about}.{predicate}' must have {', '.join(missing)}")
