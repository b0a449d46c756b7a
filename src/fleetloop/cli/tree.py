"""`tree`: what a Kustomization applied, and what the Kustomizations and HelmReleases among that applied in turn."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fleetloop.api.kinds import Kind
from fleetloop.cli.columns import at
from fleetloop.cli.command import Choice, Command, argument, flag
from fleetloop.cli.context import Context
from fleetloop.cli.errors import CliError, UsageError
from fleetloop.cli.helm_storage import stored_objects
from fleetloop.cli.output import formatted
from fleetloop.cli.subjects import BY_NAME, choices_of
from fleetloop.kube.errors import NotFound
from fleetloop.kube.inventory import ref_from
from fleetloop.kube.objects import Manifest, ObjectRef, ref_of


def _choices() -> tuple[Choice, ...]:
    return choices_of("Print what a {kind} made", lambda kind: kind.kind in {"Kustomization", "ArtifactGenerator"})


@dataclass(frozen=True)
class Tree(Command):
    """Print the resources reconciled by a Kustomization, as a tree.

    Examples:
      fleetloop tree kustomization flux-system
      fleetloop tree kustomization flux-system --compact
    """

    kind: Kind = argument(choices=_choices)
    names: tuple[str, ...] = argument(many=True)
    compact: bool = flag("--compact", help="list only objects of the toolkit", only=lambda kind: kind.kind == "Kustomization")
    output: str = flag("--output", "-o", help="the format: json or yaml; a tree of text otherwise")

    def check(self) -> None:
        if self.kind.kind == "Kustomization" and not self.names:
            raise UsageError("kustomization name is required")
        if self.kind.kind != "Kustomization" and len(self.names) != 1:
            raise UsageError(f"accepts 1 arg(s), received {len(self.names)}")

    def run(self, cx: Context) -> None:
        root = ref_of(cx.cluster.get(ObjectRef(self.kind.api_version, self.kind.kind, cx.namespace, self.names[0])))
        shown = _toolkit_only if self.compact else _everything
        node = _grown(cx, root, shown, frozenset())
        if self.output == "json":
            cx.write(formatted(_document(node), "json"))
        elif self.output == "yaml":
            cx.write(formatted(_document(node), "yaml") + "\n")
        else:
            cx.write("\n".join([str(node.ref), *_lines(node.children, "")]) + "\n\n")


@dataclass(frozen=True, slots=True)
class Node:
    ref: ObjectRef
    children: tuple["Node", ...]


Shown = Callable[[ObjectRef], bool]


def _everything(_: ObjectRef) -> bool:
    return True


def _toolkit_only(ref: ObjectRef) -> bool:
    """⚠ CLI37: by this name alone, so that source.extensions.fluxcd.io is left out."""
    return "toolkit.fluxcd.io" in ref.group


def _grown(cx: Context, ref: ObjectRef, shown: Shown, above: frozenset[ObjectRef]) -> Node:
    """Raises CliError for a nested object that is not there any more. What stands above is not followed again."""
    try:
        obj = cx.cluster.get(ref)
    except NotFound as error:
        raise CliError(f"failed to find object: {error}") from None
    above |= {ref}
    elsewhere = at(obj, "spec", "kubeConfig") is not None
    children = []
    for child in filter(shown, _applied_by(cx, obj)):
        follow = (child.group, child.kind) in _NESTING and child not in above and not elsewhere
        children.append(_grown(cx, child, shown, above) if follow else Node(child, ()))
    return Node(ref, tuple(children))


_NESTING = {(BY_NAME[name].group, name) for name in ("Kustomization", "HelmRelease")}


def _applied_by(cx: Context, obj: Manifest) -> Iterator[ObjectRef]:
    if obj["kind"] == "HelmRelease":
        yield from stored_objects(cx.cluster, obj)
    elif obj["kind"] == "ArtifactGenerator":
        kind = BY_NAME["ExternalArtifact"]
        for entry in at(obj, "status", "inventory") or []:
            yield ObjectRef(kind.api_version, kind.kind, entry["namespace"], entry["name"])
    else:
        for entry in at(obj, "status", "inventory", "entries") or []:
            try:
                yield ref_from(entry["id"], entry["v"])
            except ValueError as error:
                raise CliError(str(error)) from None


def _lines(nodes: tuple[Node, ...], indent: str) -> Iterator[str]:
    for node in nodes:
        last = node is nodes[-1]
        yield f"{indent}{'└── ' if last else '├── '}{node.ref}"
        yield from _lines(node.children, indent + ("    " if last else "│   "))


def _document(node: Node) -> dict[str, Any]:
    ref = node.ref
    resource = {"Namespace": ref.namespace, "Name": ref.name, "GroupKind": {"Group": ref.group, "Kind": ref.kind}}
    children = [_document(child) for child in node.children]
    return {"resource": resource} | ({"resources": children} if children else {})
