"""Markers that say in a type what the served schema says of a field, and the types that carry the frequent ones.

Only `crd` reads them. Decoding does not enforce them: the API server did, and an object that an older schema let in
must not become unreadable.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec


class Rule(NamedTuple):
    """A CEL rule of an object (`self`), and what the user reads when it does not hold."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """Constraints of a field, under the names of OpenAPI and of Kubernetes' extensions to it.

    A Python default that is not empty is published too; `default` is for the others, `required` for the fields that
    have to be given although they have a default.
    """

    pattern: str | None = None
    format: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    minimum: int | None = None
    min_items: int | None = None
    max_items: int | None = None
    list_type: str | None = None
    list_map_keys: tuple[str, ...] | None = None
    map_type: str | None = None
    default: bool | str | Mapping[str, Any] | msgspec.UnsetType = msgspec.UNSET
    required: bool = False
    preserve_unknown: bool = False


Time = datetime
"""RFC 3339; whole seconds and UTC when we write it."""

Duration = Annotated[str, Schema(pattern=r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$")]
"""A duration in Go's form: `1h30m`. `durations.seconds_of` reads it."""

Timeout = Annotated[str, Schema(pattern=r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$")]
"""A duration without hours, as the timeouts of sources are."""

Int64 = Annotated[int, Schema(format="int64")]
ObjectName = Annotated[str, Schema(min_length=1, max_length=253)]
NamespaceName = Annotated[str, Schema(min_length=1, max_length=63)]

INITIAL_STATUS = Schema(default={"observedGeneration": -1})
