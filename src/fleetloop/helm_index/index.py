"""An index as it is stored: JSON, of which only the chart that is asked for is looked at. Pure.

Flux: source-kustomize.md 5.2, 6.2.
"""

from typing import Any

import msgspec

from fleetloop.helm_index.errors import ChartNotFound, HelmRepositoryError


class ChartVersion(msgspec.Struct, frozen=True):
    """One version of a chart; `urls` may be relative to the repository."""

    name: str
    version: str
    urls: tuple[str, ...] = ()
    digest: str = ""
    created: str = ""


class _Document(msgspec.Struct):
    entries: dict[str, msgspec.Raw] = {}


class Index:
    """Holds the index's bytes; versions are decoded when they are asked for."""

    def __init__(self, content: bytes) -> None:
        """Raises HelmRepositoryError."""
        try:
            self._entries = msgspec.json.decode(content, type=_Document).entries
        except msgspec.DecodeError:
            raise HelmRepositoryError("the stored index cannot be read") from None

    def versions(self, chart: str) -> list[ChartVersion]:
        """Newest first. Raises ChartNotFound."""
        found = self._entries.get(chart)
        if found is None:
            raise ChartNotFound("no chart name found")
        try:
            listed: Any = msgspec.json.decode(found, type=list[ChartVersion])
        except msgspec.DecodeError:
            raise HelmRepositoryError(f"the stored index's entry of '{chart}' cannot be read") from None
        if not listed:
            raise ChartNotFound("no chart version found")
        return list(listed)
