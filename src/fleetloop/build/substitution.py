"""postBuild: which variables there are. What the expressions mean is the engine's part (engine/internal/substitute)."""

import re
from collections.abc import Iterable, Mapping, Sequence

from fleetloop.build.errors import BuildError
from fleetloop.build.manifest import Manifest, kustomize_name_of

NAME_PATTERN = "^[_[:alpha:]][_[:alpha:][:digit:]]*$"  # as the message shows it
_NAME = re.compile(r"[_A-Za-z][_A-Za-z0-9]*")


def variables_of(referenced: Iterable[Mapping[str, str]], inline: Mapping[str, str]) -> dict[str, str]:
    """The data of substituteFrom's objects in order, a later one winning, and spec.postBuild.substitute over all.

    Line feeds are removed from values. Flux: kustomize-controller, variable substitution.
    """
    merged: dict[str, str] = {}
    for data in (*referenced, inline):
        merged |= {name: value.replace("\n", "") for name, value in data.items()}
    return merged


def check_names(variables: Iterable[str], objects: Sequence[Manifest]) -> None:
    """Raises BuildError for a name that no expression could hold, as if the first object had met it (contract 8.6)."""
    for name in variables:
        if objects and not _NAME.fullmatch(name):
            at = kustomize_name_of(objects[0])
            raise BuildError(f"post build failed for '{at}': '{name}' var name is invalid, must match '{NAME_PATTERN}'")
