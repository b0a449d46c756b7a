"""What is to be in the cluster at each revision: forty Kustomizations of nine sorts. Pure, and all tests compare with it.

Namespaces: the Kustomizations live in `fleet`, their objects in `work`.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from fleetloop.kube import Manifest

KUSTOMIZE_API, SOURCE_API = "kustomize.toolkit.fluxcd.io/v1", "source.toolkit.fluxcd.io/v1"
FLEET, WORK = "fleet", "work"
APPLIER = "applier"  # the service account that some act as
BROKEN = "kind: [\n"
MANY = 25  # objects: enough for their progress to be told
KINDS = (("v1", "ConfigMap"), ("v1", "Secret"), ("v1", "Service"), ("apps/v1", "Deployment"))
SORTS = ("pruned", "waiting", "broken", "dependent", "impersonated", "substituted", "recreated", "many", "sealed")


@dataclass(frozen=True)
class App:
    """One Kustomization. `sort` says what is special about it."""

    number: int
    seed: int

    @property
    def name(self) -> str:
        return f"app-{self.number:02}"

    @property
    def sort(self) -> str:
        return SORTS[self.number % len(SORTS)]

    def objects(self, revision: int) -> list[Manifest]:
        """What it consists of at a revision; some come and go, some stay the same."""
        dice = random.Random(f"{self.seed} {self.name} {revision}")
        found = [self._config_map("main", revision=str(revision)), self._config_map("constant", a="b")]
        found += [self._config_map(f"some-{number}", n=str(number)) for number in range(5) if dice.random() < 0.5]
        match self.sort:
            case "waiting":
                found += [self._deployment(revision), self._service()]
            case "recreated":
                found.append(self._config_map("fixed", revision=str(revision)) | {"immutable": True})
            case "many":
                found += [self._config_map(f"many-{number}", r=str(revision)) for number in range(MANY)]
        return found

    def file(self, revision: int, last: bool) -> str:
        """What Git holds. A broken one is broken at every other revision but the last."""
        if self.sort == "broken" and revision % 2 and not last:
            return BROKEN
        text = yaml.safe_dump_all(self.objects(revision))
        return text.replace("constant", "${which}") if self.sort == "substituted" else text

    def kustomization(self, source: str) -> Manifest:
        spec: dict[str, Any] = {
            "interval": "10m",
            "retryInterval": "1s",
            "timeout": "1m",
            "prune": True,
            "path": f"./apps/{self.name}",
            "sourceRef": {"kind": "GitRepository", "name": source},
        }
        match self.sort:
            case "waiting" | "many":
                spec["wait"] = True
            case "dependent":
                spec["dependsOn"] = [{"name": App(self.number - 1, self.seed).name}]
            case "impersonated":
                spec["serviceAccountName"] = APPLIER
            case "substituted":
                spec["postBuild"] = {"substitute": {"which": "constant"}}
            case "recreated":
                spec["force"] = True
            case "sealed":
                spec["decryption"] = {"provider": "sops", "secretRef": {"name": "age"}}
        metadata = {"name": self.name, "namespace": FLEET}
        return {"apiVersion": KUSTOMIZE_API, "kind": "Kustomization", "metadata": metadata, "spec": spec}

    def _config_map(self, part: str, **data: str) -> Manifest:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": self._metadata(part), "data": data}

    def _service(self) -> Manifest:
        spec = {"selector": {"app": self.name}, "ports": [{"port": 80}]}
        return {"apiVersion": "v1", "kind": "Service", "metadata": self._metadata("web"), "spec": spec}

    def _deployment(self, revision: int) -> Manifest:
        labels = {"app": self.name}
        pod = {"containers": [{"name": "web", "image": f"registry.example.com/web:{revision}"}]}
        spec = {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": self._metadata("web"), "spec": spec}

    def _metadata(self, part: str) -> dict[str, str]:
        return {"name": f"{self.name}-{part}", "namespace": WORK}


@dataclass(frozen=True)
class Fleet:
    """`sealed`: SOPS text of a Secret by app name. `breaks`: some revisions do not build. `removed`: deleted on the way."""

    count: int
    seed: int
    sources: int
    sealed: dict[str, str]
    breaks: bool = True
    removed: frozenset[int] = frozenset()

    @cached_property
    def apps(self) -> list[App]:
        return [App(number, self.seed) for number in range(self.count)]

    @property
    def remaining(self) -> list[App]:
        return [app for app in self.apps if app.number not in self.removed]

    def source_of(self, app: App) -> str:
        """An app that depends on another takes it from the same source."""
        number = app.number - 1 if app.sort == "dependent" else app.number
        return f"source-{number % self.sources}"

    def source_names(self) -> list[str]:
        return [f"source-{number}" for number in range(self.sources)]

    def files(self, revision: int, *, last: bool) -> dict[str, str]:
        found = {f"apps/{app.name}/objects.yaml": app.file(revision, last or not self.breaks) for app in self.apps}
        return found | {f"apps/{name}/sealed.yaml": text for name, text in self.sealed.items()}

    def desired(self, app: App, revision: int) -> Iterator[Manifest]:
        yield from app.objects(revision)
        if app.name in self.sealed:
            yield secret_of(app)


def secret_of(app: App) -> Manifest:
    metadata = {"name": f"{app.name}-sealed", "namespace": WORK}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"password": "c2VjcmV0"}}
