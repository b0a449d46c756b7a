"""Holds the floors of the architecture: imports only go down, and tools never meet."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "fleetloop"
FLOORS = {
    "api": 0,
    "task_group": 0,
    "removal": 0,
    **dict.fromkeys(["kube", "engine", "git", "oci", "bucket", "helm_index", "storage", "forge", "auth"], 1),
    **dict.fromkeys(["build", "runtime", "access"], 2),
    **dict.fromkeys(["controllers", "bootstrap", "fleet"], 3),
    **dict.fromkeys(["cli", "web", "local", "serve"], 4),
}
RECIPES = {"build": {"engine", "storage"}, "runtime": {"kube"}, "access": {"auth", "git", "kube"}}
PROGRAM = "fleetloop"  # the package's own __init__: the version, no logic


def room_of(module: str) -> str:
    """`fleetloop.controllers.source.artifact` -> `controllers.source`, `fleetloop.kube.client` -> `kube`."""
    parts = module.split(".")[1:]
    return ".".join(parts[:2]) if parts[:1] == ["controllers"] and len(parts) > 1 else (parts or [PROGRAM])[0]


def imports_of(path: Path) -> set[str]:
    package = path.relative_to(SRC.parent).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module or ""]))
            found |= {f"{module}.{alias.name}" for alias in node.names} if module == PROGRAM else {module}
    return {name for name in found if name.split(".")[0] == PROGRAM}


def is_allowed(room: str, other: str) -> bool:
    if other in {PROGRAM, "__version__"} or room == other:
        return True
    if "controllers" in (room, other):  # the folder's own __init__ holds nothing
        return False
    top, other_top = room.partition(".")[0], other.partition(".")[0]
    if top in RECIPES:
        return other_top in RECIPES[top] or FLOORS[other_top] == 0
    return FLOORS[other_top] < FLOORS[top]


FILES = sorted(SRC.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SRC)))
def test_imports_go_down(path: Path) -> None:
    room = room_of(".".join(path.relative_to(SRC.parent).with_suffix("").parts).removesuffix(".__init__"))
    forbidden = {name for name in imports_of(path) if not is_allowed(room, room_of(name))}
    if room == "serve" or room.startswith("cli"):  # the composition root builds controllers; the CLI starts serve and local
        forbidden = {name for name in forbidden if room_of(name).split(".")[0] not in {"controllers", "serve", "local", "web"}}
    assert not forbidden, f"{room} may not import {sorted(forbidden)}"


def test_rooms_are_known() -> None:
    assert {p.name.removesuffix(".py") for p in SRC.iterdir() if not p.name.startswith(("_", "py."))} <= set(FLOORS)
