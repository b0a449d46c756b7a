"""The words by which verbs name kinds: `kustomization` or `ks`, `source git`, `image update`; plural in `get`.

Made from `api.KINDS`: a new kind appears in every verb that can do something with it.
"""

from collections.abc import Callable

from fleetloop.api.kinds import KINDS, Kind
from fleetloop.cli.command import Choice

_WORDS = {
    "Provider": ("alert-provider",),
    "ImageUpdateAutomation": ("image", "update"),
    "ExternalArtifact": ("source", "external"),
    "ArtifactGenerator": ("artifact", "generator"),
}
_SOURCES = ("OCIRepository", "Bucket", "GitRepository", "HelmRepository", "HelmChart", "ExternalArtifact")
_IMAGES = ("ImageRepository", "ImagePolicy", "ImageUpdateAutomation")
_OTHERS = ("HelmRelease", "Kustomization", "Receiver", "Provider", "Alert")

BY_NAME = {kind.kind: kind for kind in KINDS}
"""Kinds by their API name, `GitRepository`."""

Kinds = tuple[Kind, ...]


def words_of(kind: Kind) -> tuple[str, ...]:
    return _WORDS.get(kind.kind) or tuple(kind.human.split())


def choices_of(doing: str, fits: Callable[[Kind], bool]) -> tuple[Choice, ...]:
    """Sub-commands of a verb for every kind that `fits`; `doing` is its help, `Suspend a {kind}`."""
    found = []
    for kind in filter(fits, KINDS):
        words = words_of(kind)
        found.append(Choice(words, kind, doing.format(kind=kind.kind), _aliases(kind, words)))
    return tuple(found)


def all_kinds(_: Kind) -> bool:
    return True


def suspendable(kind: Kind) -> bool:
    return kind.suspendable


def reconcilable(kind: Kind) -> bool:
    return kind.suspendable and not kind.static


def listed() -> tuple[Choice, ...]:
    """Sub-commands of `get`, whose values are tuples: one kind, or those of `all`, in the order they are printed."""
    found = []
    for kind in KINDS:
        words = words_of(kind)
        first = words[0] if words[0].endswith("s") else f"{words[0]}s"
        plural = (first, *(("generators",) if kind.kind == "ArtifactGenerator" else words[1:]))
        aliases = (words[-1], *_aliases(kind, words)) if plural[-1] != words[-1] else _aliases(kind, words)
        found.append(Choice(plural, (kind,), f"Get {kind.kind} statuses", aliases))
    for prefix, names in ((("sources",), _SOURCES), (("images",), _IMAGES), ((), (*_SOURCES, *_IMAGES, *_OTHERS))):
        found.append(Choice((*prefix, "all"), tuple(BY_NAME[name] for name in names), "Get all of them"))
    return tuple(found)


def _aliases(kind: Kind, words: tuple[str, ...]) -> tuple[str, ...]:
    return kind.short_names if len(words) == 1 else ()
