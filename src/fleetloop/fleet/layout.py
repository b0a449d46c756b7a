"""The repositories of a new fleet and the charts that they install, made from the ones that ship with the program.

Only for a beginning: a fleet that lives is changed in Git by its owners. Nothing here talks to a forge or a cluster.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import yaml

import fleetloop

ENVIRONMENTS = ("staging", "production")  # folders of the infra and apps repositories
EXAMPLE_HOST, EXAMPLE_ORGANISATION, EXAMPLE_DOMAIN = "git.example.com", "example-org", "example.com"
EXAMPLE_REGISTRY = f"registry.{EXAMPLE_DOMAIN}/{EXAMPLE_ORGANISATION}"
CHARTS = "charts"  # the folder of charts that are published to the registry
# Who can read the encrypted files in reference/: nobody, their identities were thrown away.
EXAMPLE_PLATFORM_RECIPIENT = "age1uxmchlfk78nnaf78zccwuh0cyxxmnlps9fa2l6xcp0dswjsqg9qqkne6w3"
EXAMPLE_APPS_RECIPIENT = "age14lu5dj9uu077kz6g5y2taa3h6g2ys3hz6fpcz08aezglx27zapfsmxc6nt"

SEALED = ".sops.yaml"  # the ending of files that hold a Secret
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
FORGE_NAME = re.compile(r"[A-Za-z0-9][-._A-Za-z0-9]*")
HOST = re.compile(r"[A-Za-z0-9][-.A-Za-z0-9]*(:[0-9]{1,5})?")
REGISTRY = re.compile(r"[A-Za-z0-9][-.A-Za-z0-9]*(:[0-9]{1,5})?(/[a-z0-9]+([-._]+[a-z0-9]+)*)*")
DOMAIN = re.compile(r"[a-z0-9][-.a-z0-9]*")
BRANCH = re.compile(r"[A-Za-z0-9_][-._/A-Za-z0-9]*")
RECIPIENT = re.compile(r"age1[a-z0-9]{50,}")


class InvalidNames(ValueError):
    """A name that cannot stand in a URL, a path or a Kubernetes object. The message names the field."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of the fleet: a folder of its own in the fleet repository, one environment, the branch it follows."""

    name: str
    environment: str
    branch: str


def default_clusters() -> tuple[Cluster, ...]:
    """One cluster an environment: staging follows `main`, production the branch `production`."""
    return (Cluster("staging", "staging", "main"), Cluster("production", "production", "production"))


@dataclass(frozen=True, slots=True)
class FleetNames:
    """What differs between one organisation's fleet and another's. Raises InvalidNames.

    `host` may carry a port; `domain` is the suffix of the applications' host names (storefront.CLUSTER.DOMAIN). `registry`:
    host and path below which images and `charts/NAME` are, without scheme; `plain_registry`: it has no TLS.
    Secrets in fleet are encrypted for `platform_recipient`, those in apps for `apps_recipient` (age public keys).
    """

    organisation: str
    host: str
    domain: str
    platform_recipient: str
    apps_recipient: str
    fleet: str = "fleet"
    infra: str = "infra"
    apps: str = "apps"
    registry: str = ""  # registry.DOMAIN/ORGANISATION
    plain_registry: bool = False
    clusters: tuple[Cluster, ...] = default_clusters()

    def __post_init__(self) -> None:
        for field in ("organisation", "fleet", "infra", "apps"):
            require(FORGE_NAME, field, getattr(self, field))
        require(HOST, "host", self.host)
        require(DOMAIN, "domain", self.domain)
        if self.registry:
            require(REGISTRY, "registry", self.registry)
        require(RECIPIENT, "platform_recipient", self.platform_recipient)
        require(RECIPIENT, "apps_recipient", self.apps_recipient)
        for cluster in self.clusters:
            require(DNS_LABEL, "cluster name", cluster.name)
            require(BRANCH, f"branch of cluster {cluster.name}", cluster.branch)
            if cluster.environment not in ENVIRONMENTS:
                raise InvalidNames(f"environment of cluster {cluster.name} is {cluster.environment!r}, not one of {ENVIRONMENTS}")


@dataclass(frozen=True, slots=True)
class SecretDraft:
    """A Secret that Git holds encrypted: shape from the reference, values from the caller, readable by `recipient` alone."""

    path: PurePosixPath
    namespace: str
    name: str
    keys: tuple[str, ...]
    recipient: str

    def manifest(self, values: Mapping[str, str]) -> str:
        """The Secret in plain YAML; keys of the reference that have no value are left out."""
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": self.name, "namespace": self.namespace},
                "stringData": dict(values),
            },
            sort_keys=False,
        )


Seal = Callable[[SecretDraft], Awaitable[str]]  # fills a draft and answers with the text to commit


def reference_folder() -> Path:
    """Where the reference repositories are: inside an installed package, or at the root of a source tree."""
    package = Path(fleetloop.__file__).parent
    installed = package / "reference"
    return installed if installed.is_dir() else package.parents[1] / "reference"


def fleet_files(names: FleetNames) -> dict[PurePosixPath, str | SecretDraft]:
    """Every file of the repositories and of the charts, by its path below the target (`REPOSITORY/…`)."""
    files: dict[PurePosixPath, str | SecretDraft] = {}
    reference = reference_folder()
    repositories = {"fleet": names.fleet, "infra": names.infra, "apps": names.apps, CHARTS: CHARTS}
    for folder, repository in repositories.items():
        for source in sorted(p for p in (reference / folder).rglob("*") if p.is_file()):
            text = source.read_text()
            for inner, adapted in copies_of(PurePosixPath(source.relative_to(reference / folder)), text, names):
                path = PurePosixPath(repository) / inner
                recipient = names.platform_recipient if folder == "fleet" else names.apps_recipient
                sealed = inner.name.endswith(SEALED) and inner.name != SEALED
                files[path] = draft_of(path, text, recipient) if sealed else renamed(adapted, names)
    return files


async def write_fleet(target: Path, names: FleetNames, seal: Seal) -> None:
    """Writes the repositories as folders below `target`; `seal` encrypts each Secret. Raises FileExistsError before it writes."""
    files = fleet_files(names)
    texts = {path: await seal(file) if isinstance(file, SecretDraft) else file for path, file in files.items()}
    await asyncio.to_thread(write_new, target, texts)


def write_new(target: Path, texts: Mapping[PurePosixPath, str]) -> None:
    for repository in sorted({path.parts[0] for path in texts}):
        if (target / repository).exists():
            raise FileExistsError(f"{target / repository} exists already: a fleet is written once, then changed in Git")
    for path, text in texts.items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def copies_of(path: PurePosixPath, text: str, names: FleetNames) -> Iterator[tuple[PurePosixPath, str]]:
    """The files of one reference cluster stand for every cluster of that environment; any other file for itself."""
    match path.parts:
        case ("clusters" | "tenants" as top, environment, *rest) if environment in ENVIRONMENTS:
            for cluster in names.clusters:
                if cluster.environment == environment:
                    yield PurePosixPath(top, cluster.name, *rest), of_cluster(text, cluster, names)
        case _:
            yield path, text


def of_cluster(text: str, cluster: Cluster, names: FleetNames) -> str:
    text = text.replace(f"./tenants/{cluster.environment}\n", f"./tenants/{cluster.name}\n")
    facts = {
        "CLUSTER_NAME": cluster.name,
        "CLUSTER_DOMAIN": f"{cluster.name}.{names.domain}",
        "GIT_BRANCH": cluster.branch,
    }
    for key, value in facts.items():
        text = re.sub(rf"^(  {key}: )[^$\n]*$", rf"\g<1>{value}", text, flags=re.MULTILINE)
    return text


def renamed(text: str, names: FleetNames) -> str:
    """One pass over the text, longest example name first, so that no replacement is itself replaced."""
    organisation = names.organisation
    table = {
        EXAMPLE_REGISTRY: names.registry or f"registry.{names.domain}/{organisation}",
        "insecure: false": f"insecure: {str(names.plain_registry).lower()}",
        EXAMPLE_HOST: names.host,
        EXAMPLE_ORGANISATION: organisation,
        f"{EXAMPLE_ORGANISATION}/fleet": f"{organisation}/{names.fleet}",
        f"{EXAMPLE_ORGANISATION}/infra": f"{organisation}/{names.infra}",
        f"{EXAMPLE_ORGANISATION}/apps": f"{organisation}/{names.apps}",
        "--repository=fleet": f"--repository={names.fleet}",
        EXAMPLE_DOMAIN: names.domain,
        EXAMPLE_PLATFORM_RECIPIENT: names.platform_recipient,
        EXAMPLE_APPS_RECIPIENT: names.apps_recipient,
    }
    examples = "|".join(re.escape(example) for example in sorted(table, key=len, reverse=True))
    return re.sub(examples, lambda found: table[found[0]], text)


def draft_of(path: PurePosixPath, sealed: str, recipient: str) -> SecretDraft:
    """An encrypted Secret shows its name and keys; only the values are hidden."""
    secret = yaml.safe_load(sealed)
    metadata = secret["metadata"]
    return SecretDraft(path, metadata["namespace"], metadata["name"], tuple(secret["stringData"]), recipient)


def require(pattern: re.Pattern[str], field: str, value: str) -> None:
    if not pattern.fullmatch(value):
        raise InvalidNames(f"{field} is not valid: {value!r}")
