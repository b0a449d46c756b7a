"""`export`: objects as the YAML somebody could have written."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fleetloop.api.durations import InvalidDuration, duration_text, seconds_of
from fleetloop.api.kinds import Kind
from fleetloop.api.names import SOURCE_GROUP
from fleetloop.cli.columns import at
from fleetloop.cli.command import Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.output import document
from fleetloop.cli.subjects import all_kinds, choices_of
from fleetloop.kube.errors import ApiError
from fleetloop.kube.objects import Manifest, ObjectRef

_DURATIONS = {"interval", "timeout", "retryInterval"}
_FREE_FORM = {"values", "substitute", "labels", "annotations", "matchLabels"}  # keys below are users' words


@dataclass(frozen=True)
class Export(Command):
    """Export resources in YAML format.

    Examples:
      fleetloop export kustomization apps
      fleetloop export source git --all --with-credentials
    """

    kind: Kind = argument(choices=lambda: choices_of("Export a {kind}", all_kinds))
    name: str = argument()
    all: bool = flag("--all", help="export all resources of the namespace")
    with_credentials: bool = flag(
        "--with-credentials", help="export the Secret a source names, too", only=lambda kind: kind.group == SOURCE_GROUP
    )

    def check(self) -> None:
        if not self.name and not self.all:
            raise UsageError("name is required")

    def run(self, cx: Context) -> None:
        for obj in self._objects(cx):
            cx.write(document(exported(obj)))
            secret = at(obj, "spec", "secretRef", "name") if self.with_credentials and self.kind.kind in _WITH_SECRET else None
            if secret:
                cx.write(document(_secret(cx, obj["metadata"]["namespace"], secret)))

    def _objects(self, cx: Context) -> Iterator[Manifest]:
        if not self.all:
            yield cx.cluster.get(ObjectRef(self.kind.api_version, self.kind.kind, cx.namespace, self.name))
            return
        objects = cx.cluster.list(self.kind.api_version, self.kind.kind, cx.namespace)
        if not objects:
            raise CliError(f"no objects found in {cx.namespace} namespace")
        yield from objects


_WITH_SECRET = {"GitRepository", "OCIRepository", "Bucket", "HelmRepository"}


def exported(obj: Manifest) -> Manifest:
    """What a person would have written: no status, nothing the server added; durations in Go's form."""
    metadata = obj["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if metadata.get(key)}
    found = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": kept}
    return found | ({"spec": _written(obj["spec"])} if "spec" in obj else {})


def _written(value: Any) -> Any:
    if isinstance(value, list):
        return [_written(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: item if key in _FREE_FORM else _duration(item) if key in _DURATIONS and isinstance(item, str) else _written(item)
        for key, item in value.items()
    }


def _duration(text: str) -> str:
    try:
        return duration_text(seconds_of(text))
    except InvalidDuration:
        return text


def _secret(cx: Context, namespace: str, name: str) -> Manifest:
    try:
        secret = cx.cluster.get(ObjectRef("v1", "Secret", namespace, name))
    except ApiError as error:
        raise CliError(f"failed to retrieve secret {name}, error: {error}") from None
    kept = {key: secret[key] for key in ("data", "type") if key in secret}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}} | kept
