"""Which program serves which family of verbs, and with what surroundings. Starts nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from fleetloop.engine.errors import EngineMissing

BIN = Path(__file__).parents[1] / "_bin"
PATH = "/usr/local/bin:/usr/bin:/bin"  # where git is looked for unless the settings say otherwise
NOWHERE = "/nonexistent"  # for HOME and temp folders of verbs that must not have any


class Family(StrEnum):
    """Verbs that live in one process. What is linked into a program is paid for at rest, hence several."""

    BUILD = "build"  # kustomize, substitution, CEL, semver, YAML; no network
    REMOTE = "remote"  # the same program with network and git, for remote bases
    HELM = "helm"  # charts and releases; network to API servers alone
    SOPS = "sops"  # network for key services alone
    SIGNATURES = "signatures"  # network for the public trust root and revocation lists alone


PROGRAMS = {
    Family.BUILD: "fleetloop-engine-build",
    Family.REMOTE: "fleetloop-engine-build",
    Family.HELM: "fleetloop-engine-helm",
    Family.SOPS: "fleetloop-engine-sops",
    Family.SIGNATURES: "fleetloop-engine-signatures",
}
PARALLEL = {
    Family.BUILD: 12,  # three owners' shares (shares.py), more than cores, so that slow ones do not bar the rest
    Family.REMOTE: 12,
    Family.SOPS: 256,  # verbs that mostly wait for key services
}


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """`memory` in MiB a process (`memory_alone`: of one for a single call), `grace` seconds for a cancelled verb to end, `idle`
    seconds to a needless process's end.

    `environment`: PATH, proxies, certificate files. It reaches the REMOTE family; SOPS and SIGNATURES get it
    without PATH.
    """

    memory: int = 384
    memory_alone: int = 256
    parallel: int = 0  # verbs at a time in a process; 0: PARALLEL, else the program's choice, by cores
    in_flight: int = 256  # calls of a process at a time; more wait here
    grace: float = 5.0
    idle: float = 300.0
    environment: Mapping[str, str] = field(default_factory=dict)
    bin: Path = BIN


def program_of(family: Family, settings: EngineSettings) -> Path:
    """The program's path. Raises EngineMissing."""
    path = settings.bin / PROGRAMS[family]
    if not path.is_file():
        raise EngineMissing(f"engine program {path.name} is not built (looked in {path.parent}); run: python hatch_build.py")
    return path


def command_of(family: Family, settings: EngineSettings) -> list[str]:
    command = [str(program_of(family, settings)), f"-memory={settings.memory}"]
    parallel = settings.parallel or PARALLEL.get(family, 0)
    if parallel:
        command.append(f"-parallel={parallel}")
    if family in {Family.REMOTE, Family.SIGNATURES}:
        command.append("-network")
    return command


def environment_of(family: Family, settings: EngineSettings, scratch: Path) -> dict[str, str]:
    """Nothing of ours reaches the process: no HOME, no credentials. `scratch`: where remote bases are cloned."""
    if family in {Family.SOPS, Family.SIGNATURES}:
        surroundings = {name: value for name, value in settings.environment.items() if name != "PATH"}
        return {**surroundings, "HOME": NOWHERE, "TMPDIR": NOWHERE}  # SOPS' network is in secrets/reach.go
    if family is not Family.REMOTE:
        return {"HOME": NOWHERE, "TMPDIR": NOWHERE}
    return {
        "PATH": PATH,
        **settings.environment,
        "HOME": NOWHERE,
        "TMPDIR": str(scratch),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": "https:http:ssh",  # also of submodules: no file, no ext
    }
