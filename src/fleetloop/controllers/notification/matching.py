"""Which alerts an event is for, and which of them its provider takes. Pure, but for labels that are asked for.

Flux: helm-notification-image.md 3.1, 3.2.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import re2  # type: ignore[import-untyped]

from fleetloop.api.event import Event
from fleetloop.api.notification import Alert, EventSource
from fleetloop.controllers.notification.event_metadata import CHANGE_REQUEST, COMMIT, group_prefix

COMMIT_STATUSES = frozenset({"github", "gitlab", "gitea", "bitbucket", "bitbucketserver", "azuredevops"})
CHANGE_REQUESTS = frozenset({"githubpullrequestcomment", "giteapullrequestcomment", "gitlabmergerequestcomment"})
_FORWARDERS = frozenset({"generic", "generic-hmac"})
_MEMORY = 1 << 20  # bytes, for one pattern

# Labels of the event's object as it is now.
Labels = Callable[[], Awaitable[Mapping[str, str]]]


class Pattern(Protocol):
    def search(self, text: str) -> object | None: ...


@dataclass(frozen=True, slots=True)
class Filters:
    """Patterns that are found anywhere in a message. `broken`: what is wrong with those that are none; they do not count."""

    inclusion: tuple[Pattern, ...]
    exclusion: tuple[Pattern, ...]
    has_inclusion: bool
    broken: tuple[str, ...] = ()

    def admit(self, message: str) -> bool:
        if self.has_inclusion and not any(pattern.search(message) for pattern in self.inclusion):
            return False
        return not any(pattern.search(message) for pattern in self.exclusion)


def filters_of(alert: Alert) -> Filters:
    broken: list[str] = []
    inclusion = _patterns("inclusionList", alert.spec.inclusion_list, broken)
    exclusion = _patterns("exclusionList", alert.spec.exclusion_list, broken)
    return Filters(inclusion, exclusion, bool(alert.spec.inclusion_list), tuple(broken))


def _patterns(field: str, texts: Sequence[str], broken: list[str]) -> tuple[Pattern, ...]:
    options = re2.Options()
    options.log_errors, options.max_mem = False, _MEMORY
    found = []
    for text in texts:
        try:
            found.append(re2.compile(text, options))
        except re2.error:
            broken.append(f"failed to compile regex: spec.{field} '{text[:200]}' is no regular expression")
    return tuple(found)


async def is_for(event: Event, alert: Alert, labels: Labels) -> bool:
    """Whether one of the alert's sources is the event's object. Raises what `labels` raises, when a source asks for some."""
    if alert.spec.suspend or alert.spec.event_severity not in ("info", event.severity):
        return False
    sources = [source for source in alert.spec.event_sources if _names(source, event, alert.namespace)]
    if any(not source.match_labels for source in sources):
        return True
    for source in sources:
        found = await labels()
        if all(found.get(key) == value for key, value in source.match_labels.items()):
            return True
    return False


def _names(source: EventSource, event: Event, alert_namespace: str) -> bool:
    """The API group does not count."""
    about = event.involved_object
    return (
        source.kind == about.kind
        and (source.namespace or alert_namespace) == about.namespace
        and source.name in ("*", about.name)
    )


def takes(provider_type: str, event: Event) -> bool:
    """HN14: `event` has the metadata it came with. A success that is reported for a commit's sake is no news for people, and
    other successes are none for a commit."""
    is_update = event.metadata.get(group_prefix(event) + "commit_status") == "update"
    if provider_type in COMMIT_STATUSES:
        return is_update or COMMIT in event.metadata or event.severity == "error"
    if is_update and provider_type not in _FORWARDERS:
        return False
    return provider_type not in CHANGE_REQUESTS or CHANGE_REQUEST in event.metadata
