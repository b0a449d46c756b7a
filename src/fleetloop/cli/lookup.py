"""Objects named the way kubectl takes them: `deploy/app`, `deployment app`, `deployments.apps/app svc/app`."""

from collections.abc import Iterable, Sequence

from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.goflags import quoted
from fleetloop.kube.discovery import Resource
from fleetloop.kube.objects import ObjectRef, group_of

_USAGE = "either `<resource>/<name>` or `<resource> <name>` is required as an argument"


def named_in(words: Sequence[str]) -> list[tuple[str, str]]:
    """(resource, name) of each object. Raises UsageError."""
    if not words or (len(words) == 1 and "/" not in words[0]):
        raise UsageError(_USAGE)
    if "/" not in words[0]:
        if bad := next((word for word in words if "/" in word), ""):
            raise UsageError(f"there is no need to specify a resource type as a separate argument when passing {bad}")
        return [(words[0], name) for name in words[1:]]
    pairs = [word.partition("/") for word in words]
    if any(not kind or not slash or not name or "/" in name for kind, slash, name in pairs):
        raise UsageError(_USAGE)
    return [(kind, name) for kind, _, name in pairs]


def ref_named(resources: Iterable[Resource], word: str, name: str, namespace: str) -> ObjectRef:
    """The first served kind that goes by the word, which may end in its group. Raises CliError."""
    wanted, _, group = word.lower().partition(".")
    for resource in resources:
        if group and group_of(resource.api_version) != group:
            continue
        if wanted in (resource.plural, resource.kind.lower(), *resource.names):
            return ObjectRef(resource.api_version, resource.kind, namespace if resource.namespaced else "", name)
    raise CliError(f"x: the server doesn't have a resource type {quoted(word)}")
