"""CustomResourceDefinitions, generated from the structs of the kinds. Nothing here knows a particular kind."""

import types
from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from .kinds import Kind
from .meta import Status, api_name
from .old_versions import CARRIED, FIELDS_ADDED
from .schema import Schema

Json = dict[str, Any]

_KEYWORDS = {
    "list_type": "x-kubernetes-list-type",
    "list_map_keys": "x-kubernetes-list-map-keys",
    "map_type": "x-kubernetes-map-type",
}
_GENERATOR = {"controller-gen.kubebuilder.io/version": "v0.21.0"}  # tools look for it to tell whose schema it is
_SCALARS: Mapping[Any, Json] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    datetime: {"type": "string", "format": "date-time"},
    Any: {},
}


def crd_of(kind: Kind) -> Json:
    """The whole definition: the current version, which is stored, then the deprecated ones, which are converted by name."""
    names: Json = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.singular,
    }
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    if kind.categories:
        names["categories"] = list(kind.categories)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name, "annotations": _GENERATOR | dict(kind.annotations)},
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": "Namespaced",
            "versions": [_version(kind, version) for version in kind.served_versions],
        },
    }


def schema_of(hint: Any) -> Json:
    """The OpenAPI schema of a type: a struct, an annotated scalar, a tuple, a dict with string keys, or one `| None`."""
    origin = get_origin(hint)
    if origin is Annotated:
        base, *markers = get_args(hint)
        return reduce(or_, map(_constraints, markers), schema_of(base))
    if origin in (Union, types.UnionType):
        return schema_of(next(arm for arm in get_args(hint) if arm is not type(None)))
    if origin is not None:
        return _generic(origin, get_args(hint))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _struct(hint)
    return dict(_SCALARS[hint])


def _generic(origin: Any, arguments: tuple[Any, ...]) -> Json:
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": schema_of(arguments[0])}
    return {"type": "object", "additionalProperties": schema_of(arguments[1])}


def _version(kind: Kind, version: str) -> Json:
    current = version == kind.version
    result: Json = {
        "name": version,
        "served": True,
        "storage": current,
        "schema": {"openAPIV3Schema": _object(kind)},
        "subresources": {} if kind.static else {"status": {}},
        "additionalPrinterColumns": [
            {"name": column.name, "type": column.type, "jsonPath": column.path}
            | ({"priority": column.priority} if column.priority else {})
            for column in kind.columns
        ],
    }
    if not current:
        result |= {"deprecated": True, "deprecationWarning": _warning(kind, version)}
        for path, hint in FIELDS_ADDED.get((kind.kind, version), {}).items():
            _add(result["schema"]["openAPIV3Schema"], path, schema_of(hint))
    return result


def _warning(kind: Kind, version: str) -> str:
    fields = {path.rpartition(".")[2] for path in FIELDS_ADDED.get((kind.kind, version), ())} & CARRIED
    warning = f"{kind.group}/{version} {kind.kind} is deprecated, use {kind.api_version}"
    if fields:  # the server drops them without a word
        warning += f"; {', '.join(sorted(fields))} only take effect when the object is applied from a source"
    return warning


def _object(kind: Kind) -> Json:
    hints = get_type_hints(kind.struct, include_extras=True)
    return {
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
        }
        | {part: schema_of(hints[part]) for part in ("spec", "status") if part in hints},
    }


def _struct(struct: type[msgspec.Struct]) -> Json:
    hints = get_type_hints(struct, include_extras=True)
    unpublished = struct.unpublished if issubclass(struct, Status) else frozenset()
    properties: Json = {}
    required = []
    for field in msgspec.structs.fields(struct):
        if field.name in unpublished:
            continue
        schema = schema_of(hints[field.name])
        if field.required or _must_be_given(hints[field.name]):
            required.append(field.encode_name)
        if field.default is not msgspec.NODEFAULT and field.default:  # an empty default is how "absent" reads
            schema["default"] = list(field.default) if isinstance(field.default, tuple) else field.default
        properties[field.encode_name] = schema
    result: Json = {"type": "object", "properties": properties}
    if required:
        result["required"] = sorted(required)
    if rules := vars(struct).get("rules"):
        result["x-kubernetes-validations"] = [rule._asdict() for rule in rules]
    return result


def _must_be_given(hint: Any) -> bool:
    return get_origin(hint) is Annotated and any(marker.required for marker in get_args(hint)[1:])


def _constraints(marker: Schema) -> Json:
    values = {name: getattr(marker, name) for name in marker.__dataclass_fields__}
    del values["required"]  # told by the object that has the field
    preserve = values.pop("preserve_unknown")
    result = {_KEYWORDS.get(name, api_name(name)): value for name, value in values.items() if value is not None}
    if result["default"] is msgspec.UNSET:
        del result["default"]
    elif isinstance(result["default"], Mapping):
        result["default"] = dict(result["default"])
    if "x-kubernetes-list-map-keys" in result:
        result["x-kubernetes-list-map-keys"] = list(result["x-kubernetes-list-map-keys"])
    if preserve:
        result["x-kubernetes-preserve-unknown-fields"] = True
    return result


def _add(schema: Json, path: str, field: Json) -> None:
    """Puts a field at a path like `spec.postRenderers[].kustomize.patchesJson6902`."""
    *parents, name = path.split(".")
    for parent in parents:
        schema = schema["properties"][parent.removesuffix("[]")]
        if parent.endswith("[]"):
            schema = schema["items"]
    schema["properties"][name] = field
