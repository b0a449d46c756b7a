"""`export`: objects as the YAML somebody could have written."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec

from fleetloop.api.durations import InvalidDuration, duration_text, seconds_of
from fleetloop.api.kinds import Kind
from fleetloop.api.names import SOURCE_GROUP
from fleetloop.api.schema import Duration, Timeout
from fleetloop.cli.columns import at
from fleetloop.cli.command import Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.output import document
from fleetloop.cli.subjects import all_kinds, choices_of
from fleetloop.kube.errors import ApiError
from fleetloop.kube.objects import Manifest, ObjectRef


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
            cx.write(document(exported(self.kind, obj)))
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


def exported(kind: Kind, obj: Manifest) -> Manifest:
    """What a person would have written: no status, nothing the server added; durations in Go's form."""
    metadata = obj["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if metadata.get(key)}
    spec_type = next(field.type for field in msgspec.structs.fields(kind.struct) if field.name == "spec")
    found = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": kept}
    return found | ({"spec": _written(obj["spec"], spec_type)} if "spec" in obj else {})


def _written(value: Any, hint: Any) -> Any:
    """A value of the API type `hint` as Go writes it: durations normalised, optional fields that say nothing left out."""
    hint = _required(hint)
    if hint in (Duration, Timeout):
        return _duration(value)
    if isinstance(value, list) and get_origin(hint) is tuple:
        return [_written(item, get_args(hint)[0]) for item in value]
    if not isinstance(value, dict) or not isinstance(hint, type) or not issubclass(hint, msgspec.Struct):
        return value
    known = {field.encode_name: field for field in msgspec.structs.fields(hint)}
    return {
        key: _written(item, known[key].type) if key in known else item
        for key, item in value.items()
        if key not in known or not _says_nothing(item, known[key])
    }


def _required(hint: Any) -> Any:
    """The type without `| None`."""
    if get_origin(hint) in (Union, UnionType):
        return next(part for part in get_args(hint) if part is not type(None))
    return hint


def _says_nothing(value: Any, field: msgspec.structs.FieldInfo) -> bool:
    """Go's omitempty: a zero value of a field that need not be there, unless the field tells zero and absent apart."""
    return not field.required and field.default is not None and value in (False, "", 0, [])


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
