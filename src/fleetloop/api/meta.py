"""What every object of the API is made of: its key, metadata, status, conditions, references. No kind of its own."""

from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import msgspec

from .schema import Int64, Schema, Time

_ACRONYMS = {"api": "API", "crds": "CRDs", "oidc": "OIDC", "url": "URL"}


def api_name(field: str) -> str:
    """The API's name of a field: `source_ref` -> `sourceRef`, `issuer_url` -> `issuerURL`."""
    first, *others = field.split("_")
    return first + "".join(_ACRONYMS.get(word, word.capitalize()) for word in others)


class Key(NamedTuple):
    """Names one object of a cluster to the controllers."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}"


class _FrozenMeta(msgspec.StructMeta):
    """Gives every class below the same configuration: `kw_only` is not inherited by itself, and mypy asks for `frozen`."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> "_FrozenMeta":
        return super().__new__(mcls, name, bases, namespace, frozen=True, kw_only=True, omit_defaults=True, rename=api_name)


class Value(msgspec.Struct, metaclass=_FrozenMeta):
    """A part of an object that nobody changes in place. Fields that must be given come first."""


class Draft(msgspec.Struct, kw_only=True, omit_defaults=True, rename=api_name):
    """A part of an object that a pass fills in."""


class OwnerReference(Value):
    """The object that is deleted before this one."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Value):
    """Kubernetes' metadata, as far as controllers and the CLI look at it."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()


class Condition(Value):
    """One observed aspect of an object."""

    type: Annotated[
        str,
        Schema(
            pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
            max_length=316,
        ),
    ]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Schema(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", min_length=1, max_length=1024)]
    message: Annotated[str, Schema(max_length=32768)]
    last_transition_time: Time
    observed_generation: Annotated[Int64, Schema(minimum=0)] = 0


class Artifact(Value):
    """What a source serves: an archive under a URL, its digest, and the revision it was made from."""

    digest: Annotated[str, Schema(pattern=r"^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$")]
    last_update_time: Time
    path: str
    revision: str
    url: str
    metadata: dict[str, str] = {}
    size: Int64 | None = None


class Status(Draft):
    """What controllers report; a kind adds its own facts.

    A kind whose served schema lacks one of these three names it in `unpublished`, and `content_of` leaves it out.
    """

    unpublished: ClassVar[frozenset[str]] = frozenset()

    conditions: tuple[Condition, ...] = ()
    last_handled_reconcile_at: str = ""
    observed_generation: Int64 = 0

    def condition(self, type: str) -> Condition | None:
        return next((condition for condition in self.conditions if condition.type == type), None)

    def is_true(self, type: str) -> bool:
        condition = self.condition(type)
        return condition is not None and condition.status == "True"

    def says(self, type: str, message: str) -> bool:
        """Whether it is true, in these words."""
        condition = self.condition(type)
        return condition is not None and (condition.status, condition.message) == ("True", message)


class Object(Draft):
    """An object of a kind that adds `spec` and, but for Alert and Provider, `status`."""

    api_version: str
    kind: str
    metadata: ObjectMeta

    @property
    def key(self) -> Key:
        return Key(self.kind, self.metadata.namespace, self.metadata.name)

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        return self.metadata.namespace

    @property
    def is_suspended(self) -> bool:
        return bool(getattr(self.spec, "suspend", False))  # type: ignore[attr-defined]  # every kind with a loop has a spec


def content_of(part: Value | Draft) -> dict[str, Any]:
    """A spec, status or any other part as JSON has it, without what is empty and without what is not served.

    Equal to what the API server sends for the same content: lists, not tuples; times as text.
    """
    content: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(part))
    hidden = {api_name(field) for field in part.unpublished} if isinstance(part, Status) else ()
    return {name: value for name, value in content.items() if name not in hidden}


class CommonMetadata(Value):
    """Labels and annotations put on every object an owner makes."""

    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}


class LocalObjectReference(Value):
    """An object of a known kind in the same namespace."""

    name: str


class ObjectReference(Value):
    """An object of any kind, in the referrer's namespace unless it names one."""

    kind: str
    name: str
    api_version: str = ""
    namespace: str = ""


class NamespaceSelector(Value):
    """Namespaces by their labels."""

    match_labels: dict[str, str] = {}


class AccessFrom(Value):
    """Which namespaces may refer to an object."""

    namespace_selectors: tuple[NamespaceSelector, ...]


class LabelSelectorRequirement(Value):
    """One demand on a label: In, NotIn, Exists, DoesNotExist."""

    key: str
    operator: str
    values: Annotated[tuple[str, ...], Schema(list_type="atomic")] = ()


class LabelSelector(Value):
    """Objects by their labels; everything must match."""

    match_expressions: Annotated[tuple[LabelSelectorRequirement, ...], Schema(list_type="atomic")] = ()
    match_labels: dict[str, str] = {}
