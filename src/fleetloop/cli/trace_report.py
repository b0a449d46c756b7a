"""The text of `trace`: blocks of aligned lines, from the object to its source. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from fleetloop.cli.columns import at, reference, text_at
from fleetloop.kube.kstatus import condition
from fleetloop.kube.objects import Manifest

_ORIGIN = (("Revision", "org.opencontainers.image.revision"), ("Source", "org.opencontainers.image.source"))
_TELLS_FAILURE = {"GitRepository", "OCIRepository", "ExternalArtifact"}


@dataclass(frozen=True, slots=True)
class Trail:
    """An object, who applied it, the chart in between, and where it came from."""

    obj: Manifest
    owner: Manifest
    chart: Manifest | None = None
    source: Manifest | None = None


def report_of(trail: Trail) -> str:
    """Begins with an empty line; blocks are divided by `---`."""
    by_kustomization = trail.owner["kind"] == "Kustomization"
    width = 17 if by_kustomization else 16
    blocks = [_block(_object(trail.obj), width), _block(_owner(trail.owner), width)]
    if trail.chart:
        blocks.append(_block(_chart(trail.chart), width))
    if trail.source:
        blocks.append(_source_block(trail.source, by_kustomization, width))
    return "\n" + "---\n".join(blocks)


Lines = Iterator[tuple[str, str]]


def _block(lines: Lines, width: int) -> str:
    return "".join(f"{f'{key}:':<{width}}{value}\n" for key, value in lines)


def _object(obj: Manifest) -> Lines:
    metadata = obj["metadata"]
    yield "Object", f"{obj['kind']}/{metadata['name']}"
    if metadata.get("namespace"):
        yield "Namespace", metadata["namespace"]
    yield "Status", "Managed by Flux"


def _head(obj: Manifest) -> Lines:
    yield obj["kind"], obj["metadata"]["name"]
    yield "Namespace", obj["metadata"]["namespace"]


def _owner(owner: Manifest) -> Lines:
    yield from _head(owner)
    if target := text_at(owner, "spec", "targetNamespace"):
        yield "Target", target
    if owner["kind"] == "Kustomization":
        yield "Path", text_at(owner, "spec", "path")
        yield "Revision", text_at(owner, "status", "lastAppliedRevision")
    else:
        yield "Revision", text_at(owner, "status", "lastAttemptedRevision")
    yield from _status(owner)


def _chart(chart: Manifest) -> Lines:
    yield from _head(chart)
    yield "Chart", text_at(chart, "spec", "chart")
    yield "Version", text_at(chart, "spec", "version")
    yield from _revision(chart)
    yield from _status(chart)


def _source_block(source: Manifest, by_kustomization: bool, width: int) -> str:
    """Widths and the rest of the metadata are as Flux has them, which differ from block to block."""
    kind = source["kind"]
    if not by_kustomization:
        width = {"GitRepository": 15, "HelmRepository": 16}.get(kind, 17)
    lines = _block(_source(source), width)
    metadata = at(source, "status", "artifact", "metadata")
    if by_kustomization and kind in {"OCIRepository", "ExternalArtifact"} and metadata:
        head, status, tail = lines.partition("Status:")
        origin = (f"{f'Origin {word}:':<17}{metadata[key]}" if key in metadata else "" for word, key in _ORIGIN)
        lines = head + "".join(f"{line}\n" for line in origin) + status + tail
    return lines


def _source(source: Manifest) -> Lines:
    yield from _head(source)
    if source["kind"] == "ExternalArtifact":
        yield "Source", reference(source, at(source, "spec", "sourceRef"), source["metadata"]["namespace"])
    else:
        yield "URL", text_at(source, "spec", "url")
    yield from _ref(source)
    yield from _revision(source)
    yield from _status(source)


def _ref(source: Manifest) -> Lines:
    ref = at(source, "spec", "ref") or {}
    if tag := ref.get("tag") or ref.get("semver"):
        yield "Tag", tag
    elif source["kind"] == "GitRepository" and ref.get("branch"):
        yield "Branch", ref["branch"]
    elif source["kind"] == "OCIRepository" and ref.get("digest"):
        yield "Digest", ref["digest"]


def _revision(source: Manifest) -> Lines:
    if at(source, "status", "artifact"):
        yield "Revision", text_at(source, "status", "artifact", "revision")


def _status(obj: Manifest) -> Lines:
    """⚠ CLI36: only repositories tell a failure here; of the others the message does."""
    ready = condition(obj, "Ready")
    if ready is None:
        yield "Status", "Unknown"
        return
    failed = obj["kind"] in _TELLS_FAILURE and ready.get("status") == "False"
    yield "Status", f"Last {'reconciliation failed' if failed else 'reconciled'} at {go_time(ready['lastTransitionTime'])}"
    yield "Message", str(ready.get("message") or "")


def go_time(timestamp: str) -> str:
    """In the local zone, as Go prints a time by default."""
    return datetime.fromisoformat(timestamp).astimezone().strftime("%Y-%m-%d %H:%M:%S %z %Z")
