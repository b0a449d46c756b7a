"""What a verb is made of: a frozen dataclass whose fields are declared with `argument`, `flag` and `options`.

The package's docstring shows one. `shape_of` reads the fields once; `program.py` builds the click commands from that.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fleetloop.cli.goflags import BOOL, INT, STRING, STRINGS, Flag, FlagType, Values

if TYPE_CHECKING:
    from fleetloop.cli.context import Context

_SPEC = "fleetloop"
_TYPE_OF = {bool: BOOL, str: STRING, int: INT, tuple[str, ...]: STRINGS}
_UNSET: Any = object()


class Command:
    """A verb. Subclasses are frozen dataclasses; see the package's docstring."""

    checks_namespace: ClassVar[bool] = True
    """False for `create` and `plugin`: ⚠ CLI4, they take `-n` unchecked and never from the kubeconfig's context."""

    is_bounded: ClassVar[bool] = True
    """False for what goes on until it is interrupted; `--timeout` then bounds its steps, not the whole."""

    names_kind: ClassVar[str] = ""
    """The kind whose objects the argument names, for completion, where no field of the verb tells."""

    def check(self) -> None:
        """Raises UsageError for arguments that cannot work, before any connection is made."""

    def run(self, cx: "Context") -> Awaitable[None] | None:
        """Does the work; either a plain or an async method."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Choice:
    """One sub-command of a verb: its words (`("source", "git")`), what the field is set to, other names of the last word."""

    words: tuple[str, ...]
    value: Any
    help: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Argument:
    many: bool
    usage: str | None
    choices: Callable[[], Sequence[Choice]] | None


@dataclass(frozen=True, slots=True)
class _FlagSpec:
    names: tuple[str, ...]
    type: FlagType | None
    default: Any
    help: str
    deprecated: str
    only: Callable[[Any], bool] | None


@dataclass(frozen=True, slots=True)
class _Options:
    cls: type


def argument(*, many: bool = False, usage: str | None = None, choices: Callable[[], Sequence[Choice]] | None = None) -> Any:
    """A positional word ("" when absent), all of them (`many`), or a word that picks a sub-command (`choices`).

    `usage` is how the verb's usage line shows it, where that is not `[name]` after the field's own name.
    """
    default: Any = () if many else ""
    return dataclasses.field(default=default, metadata={_SPEC: _Argument(many, usage, choices)})


def flag(
    *names: str,
    help: str,
    type: FlagType | None = None,
    default: Any = _UNSET,
    deprecated: str = "",
    only: Callable[[Any], bool] | None = None,
) -> Any:
    """`names`: "--all-namespaces", "-A". The type follows from the annotation; give `type` where that is not enough.

    `default`: what the field is when the flag is not given; None tells "not given" apart. `only`: asked with the chosen
    sub-command's value, whether it has this flag. `deprecated`: text printed when the flag is used (⚠ CLI2, on stdout).
    """
    spec = _FlagSpec(names, type, default, help, deprecated, only)
    later = _ZeroOfAnnotation()
    known = default if default is not _UNSET else type.zero if type else later
    later.field = dataclasses.field(default=known, metadata={_SPEC: spec})
    return later.field


class _ZeroOfAnnotation:
    """Stands in as the default of a field until the class is made: only then is the annotation known."""

    field: Any

    def __set_name__(self, owner: type, name: str) -> None:
        self.field.default = _TYPE_OF[owner.__annotations__[name]].zero


def options(cls: type) -> Any:
    """The flags of another dataclass, which several verbs share; the field holds an instance of it."""
    return dataclasses.field(default_factory=cls, metadata={_SPEC: _Options(cls)})


@dataclass(frozen=True, slots=True)
class Shape:
    """What the fields of one verb say. `usage`: of the positional field; `subject`: the field with choices."""

    flags: tuple[Flag, ...]
    usage: str = ""
    subject: str = ""
    choices: tuple[Choice, ...] = ()


def shape_of(cls: type, chosen: Any = None) -> Shape:
    """`chosen`: the value of the sub-command whose flags are wanted; None leaves flags with `only` out."""
    usage, subject = "", ""
    found: tuple[Choice, ...] = ()
    for field, spec in _specs(cls):
        if isinstance(spec, _Argument) and spec.choices:
            subject, found = field.name, tuple(spec.choices())
        elif isinstance(spec, _Argument):
            usage = f"[{field.name.rstrip('s')}]" if spec.usage is None else spec.usage
    return Shape(tuple(flags_of(cls, chosen)), usage, subject, found)


def flags_of(cls: type, chosen: Any = None) -> Iterator[Flag]:
    """The flags of a verb for one choice of its subject."""
    for field, spec in _specs(cls):
        if isinstance(spec, _Options):
            yield from flags_of(spec.cls, chosen)
        elif isinstance(spec, _FlagSpec) and (spec.only is None or (chosen is not None and spec.only(chosen))):
            yield _flag_of(field, spec)


def build(cls: type, values: Values, words: Sequence[str], chosen: Any = None) -> Any:
    """An instance with the flags of `values` (by flag name); words beyond the positional fields are ignored."""
    found: dict[str, Any] = {}
    for field, spec in _specs(cls):
        match spec:
            case _Options():
                found[field.name] = build(spec.cls, values, ())
            case _Argument(choices=None):
                found[field.name] = tuple(words) if spec.many else next(iter(words), "")
            case _Argument():
                found[field.name] = chosen
            case _FlagSpec():
                made = _flag_of(field, spec)
                found[field.name] = values.get(made.name, made.default)
    return cls(**found)


def _specs(cls: type) -> Iterator[tuple[dataclasses.Field[Any], Any]]:
    for field in dataclasses.fields(cls):
        if _SPEC in field.metadata:
            yield field, field.metadata[_SPEC]


def _flag_of(field: dataclasses.Field[Any], spec: _FlagSpec) -> Flag:
    kind = spec.type or _TYPE_OF[field.type]  # type: ignore[index]  # a KeyError here is a verb without `type=`
    default = kind.zero if spec.default is _UNSET else spec.default
    long = next(name for name in spec.names if name.startswith("--"))
    short = next((name for name in spec.names if not name.startswith("--")), "")
    return Flag(long[2:], short[1:], field.name, kind, default, spec.help, spec.deprecated)
