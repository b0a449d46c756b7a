"""What a container sees of its world: arguments, environment, files. Pure, but for the values it is given.

A process here has no mount namespace, so a path inside the container is translated to the folder that stands for it
wherever an argument or a variable's value begins with it.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetloop.kube import Manifest
from fleetloop.local.node.quantity import number_of

VARIABLE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class MissingReference(Exception):
    """A Secret, a ConfigMap or a key in one that the pod needs is not there (yet)."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a pod's environment and files are made of: data of Secrets and ConfigMaps by name, decoded."""

    secrets: Mapping[str, Mapping[str, bytes]]
    config_maps: Mapping[str, Mapping[str, bytes]]

    def of(self, kind: str, name: str, optional: bool = False) -> Mapping[str, bytes]:
        """Raises MissingReference."""
        found = (self.secrets if kind == "Secret" else self.config_maps).get(name)
        if found is None and not optional:
            raise MissingReference(f'{kind.lower()} "{name}" not found')
        return found or {}


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` to its value, `$$` to `$`; an unknown name stays as it is written, as in the kubelet."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] is None else variables.get(match[1], match[0])

    return VARIABLE.sub(value, text)


def environment_of(container: Mapping[str, Any], pod: Manifest, sources: Sources) -> dict[str, str]:
    """`envFrom`, then `env`, each value able to use the earlier ones. Raises MissingReference."""
    found: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        for key, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
            if reference := source.get(key):
                data = sources.of(kind, reference["name"], bool(reference.get("optional")))
                found |= {source.get("prefix", "") + name: value.decode() for name, value in data.items()}
    for variable in container.get("env") or []:
        if "valueFrom" in variable:
            value = _referenced(variable["valueFrom"], container, pod, sources)
        else:
            value = expand(variable.get("value") or "", found)
        if value is not None:
            found[variable["name"]] = value
    return found


def _referenced(source: Mapping[str, Any], container: Mapping[str, Any], pod: Manifest, sources: Sources) -> str | None:
    if field := source.get("fieldRef"):
        return pod_field(pod, field["fieldPath"])
    if resource := source.get("resourceFieldRef"):
        return resource_field(resource, container, pod)
    for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
        if reference := source.get(key):
            optional = bool(reference.get("optional"))
            data = sources.of(kind, reference["name"], optional)
            if reference["key"] not in data and not optional:
                raise MissingReference(f"couldn't find key {reference['key']} in {kind} {reference['name']}")
            return data[reference["key"]].decode() if reference["key"] in data else None
    return None


def pod_field(pod: Manifest, path: str) -> str:
    """A `fieldRef`: `metadata.namespace`, `metadata.labels['app']`, `status.podIP`, all labels as lines, …"""
    if match := SUBSCRIPT.fullmatch(path):
        return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
    value: Any = pod
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, Mapping) else ""
    if isinstance(value, Mapping):
        return "\n".join(f'{name}="{text}"' for name, text in sorted(value.items()))
    return str(value)


def resource_field(reference: Mapping[str, Any], container: Mapping[str, Any], pod: Manifest) -> str:
    """A `resourceFieldRef`, rounded up to whole divisors: `limits.memory` is bytes, `limits.cpu` cores."""
    named = reference.get("containerName") or container.get("name")
    owner = next((c for c in pod["spec"]["containers"] if c["name"] == named), container)
    kind, _, resource = reference["resource"].partition(".")
    quantity = ((owner.get("resources") or {}).get(kind) or {}).get(resource, "0")
    divisor = number_of(reference.get("divisor") or "1") or number_of("1")
    return str(math.ceil(number_of(quantity) / divisor))


@dataclass(frozen=True, slots=True)
class Mount:
    """`path` inside the container stands for `folder`."""

    path: str
    folder: Path


def translate(text: str, mounts: Sequence[Mount]) -> str:
    """`/data/x` or `--flag=/data/x` with a mount's path replaced by its folder; the longest path wins."""
    flag, equals, value = text.partition("=") if text.startswith("-") else ("", "", text)
    for mount in sorted(mounts, key=lambda m: len(m.path), reverse=True):
        path = mount.path.rstrip("/")
        if value == path or value.startswith(f"{path}/"):
            return f"{flag}{equals}{mount.folder}{value[len(path) :]}"
    return text
