"""How flags name where a chart comes from: `HelmRepository/charts`, `OCIRepository/app.apps`."""

from collections.abc import Sequence
from typing import NamedTuple

CHART_SOURCES = ("HelmRepository", "GitRepository", "Bucket")
CHART_REFS = ("OCIRepository", "HelmChart")


class ObjectName(NamedTuple):
    """`Kind/name[.namespace]`."""

    kind: str = ""
    name: str = ""
    namespace: str = ""

    def ref(self) -> dict[str, str]:
        """⚠ CLI16: nothing given is a reference with an empty name."""
        found = {"kind": self.kind, "name": self.name, "namespace": self.namespace}
        return {key: value for key, value in found.items() if value or key == "name"}


def object_name(text: str) -> ObjectName:
    """The last dot splits the namespace off (⚠ CLI15)."""
    kind, _, rest = text.rpartition("/")
    name, _, namespace = rest.rpartition(".") if "." in rest else (rest, "", "")
    return ObjectName(kind, name, namespace)


def known_kind(kind: str, allowed: Sequence[str]) -> str:
    """Its spelling in the API; "" for one that is not allowed."""
    return {one.lower(): one for one in allowed}.get(kind.lower(), "")


def chart_source(text: str) -> ObjectName:
    """Of a HelmRelease, which may name another namespace. Raises ValueError, for a flag."""
    return _of_known_kind(text, object_name(text))


def chart_source_nearby(text: str) -> ObjectName:
    """Of a HelmChart, in whose namespace it is: dots belong to the name. Raises ValueError, for a flag."""
    kind, _, name = text.rpartition("/")
    return _of_known_kind(text, ObjectName(kind, name))


def _of_known_kind(text: str, found: ObjectName) -> ObjectName:
    if not found.kind or not found.name:
        raise ValueError(f"invalid helm chart source '{text}', must be in format <kind>/<name>")
    kind = known_kind(found.kind, CHART_SOURCES)
    if not kind:
        raise ValueError(f"source kind '{found.kind}' is not supported, must be one of: {', '.join(CHART_SOURCES)}")
    return found._replace(kind=kind)
