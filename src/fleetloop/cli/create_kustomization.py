"""`create kustomization`: have a source's manifests applied."""

import posixpath
from dataclasses import dataclass
from typing import Any, NamedTuple

from fleetloop.cli.command import Command, argument, flag, options
from fleetloop.cli.context import Context
from fleetloop.cli.create import (
    CreateOptions,
    apply_and_wait,
    check_name,
    export,
    manifest_of,
    name_ref,
    seconds_text,
)
from fleetloop.cli.errors import UsageError
from fleetloop.cli.goflags import DURATION, FlagType, choice
from fleetloop.cli.reconcile import result_of
from fleetloop.cli.subjects import BY_NAME

_SOURCES = ("OCIRepository", "GitRepository", "Bucket")
_CHECKED = ("HelmRelease", "Deployment", "DaemonSet", "StatefulSet")


class SourceName(NamedTuple):
    """`[Kind/]name[.namespace]`."""

    kind: str = ""
    name: str = ""
    namespace: str = ""

    def ref(self) -> dict[str, str]:
        named = {"kind": self.kind, "name": self.name}
        return named | ({"namespace": self.namespace} if self.namespace else {})


def _source(text: str) -> SourceName:
    """⚠ CLI15: the last dot splits the namespace off, so a name with a dot needs one."""
    kind, slash, rest = text.rpartition("/")
    name, _, namespace = rest.rpartition(".") if "." in rest else (rest, "", "")
    if slash and not kind:
        raise ValueError(f"no kind specified for source '{text}'")
    if not name:
        raise ValueError(f"no name given for source of kind '{kind}'")
    known = {allowed.lower(): allowed for allowed in _SOURCES}
    if kind and kind.lower() not in known:
        raise ValueError(f"source kind '{kind}' is not supported, must be one of: {', '.join(_SOURCES)}")
    return SourceName(known.get(kind.lower(), "GitRepository"), name, namespace)


def _relative_path(text: str) -> str:
    """`foo` and `/foo` are `./foo`; a path cannot leave the source."""
    inside = posixpath.normpath("/" + text.strip()).lstrip("/")
    return f"./{inside}"


SOURCE = FlagType("string", _source, SourceName(), show=lambda value: value.name)
RELATIVE_PATH = FlagType("safeRelativePath", _relative_path, "")


@dataclass(frozen=True)
class CreateKustomization(Command):
    """Create or update a Kustomization, which applies the manifests of a source.

    Examples:
      fleetloop create kustomization apps --source=GitRepository/apps --path=./deploy --prune --interval=10m --wait
      fleetloop create kustomization apps --source=apps.flux-system --path=./deploy --export > apps.yaml
    """

    checks_namespace = False

    name: str = argument()
    common: CreateOptions = options(CreateOptions)
    source: SourceName = flag("--source", type=SOURCE, help="the source of the manifests, as in [Kind/]name[.namespace]")
    path: str = flag("--path", type=RELATIVE_PATH, default="./", help="directory of the source")
    prune: bool = flag("--prune", help="delete what is no longer in the source")
    wait: bool = flag("--wait", help="wait for all applied objects to be ready")
    health_check: tuple[str, ...] = flag("--health-check", help="objects to wait for, as in kind/name.namespace")
    health_check_timeout: float = flag("--health-check-timeout", type=DURATION, default=120.0, help="how long they may take")
    depends_on: tuple[str, ...] = flag("--depends-on", help="Kustomizations that must be ready first, as in [namespace/]name")
    service_account: str = flag("--service-account", help="the service account to apply as")
    decryption_provider: str = flag("--decryption-provider", type=choice("decryption provider", "sops"), help="decrypt Secrets")
    decryption_secret: str = flag("--decryption-secret", help="the Secret with the keys")
    target_namespace: str = flag("--target-namespace", help="put all objects into this namespace")
    kubeconfig_secret_ref: str = flag("--kubeconfig-secret-ref", help="the Secret with the kubeconfig of another cluster")
    retry_interval: float = flag("--retry-interval", type=DURATION, help="how soon a failed reconciliation is tried again")
    validation: str = flag("--validation", help="", deprecated="everything is validated by a server-side dry-run")

    def check(self) -> None:
        check_name(self.name)
        if not self.source.name:
            raise UsageError("source is required")
        self.common.labels()
        self._spec()

    def run(self, cx: Context) -> None:
        kind = BY_NAME["Kustomization"]
        manifest = manifest_of(cx, kind, self.name, self.common, self._spec())
        if self.common.export:
            export(cx, manifest)
            return
        cx.say.generate("generating Kustomization")
        done = apply_and_wait(cx, kind, manifest, "Kustomization")
        cx.say.success(f"Kustomization {self.name} is ready")
        cx.say.success(result_of(kind, done))

    def _spec(self) -> dict[str, Any]:
        """Raises UsageError."""
        spec: dict[str, Any] = {
            "dependsOn": [dependency(text) for text in self.depends_on],
            "kubeConfig": {"secretRef": name_ref(self.kubeconfig_secret_ref)} if self.kubeconfig_secret_ref else None,
            "path": self.path,
            "prune": self.prune,
            "retryInterval": seconds_text(self.retry_interval),
            "serviceAccountName": self.service_account,
            "sourceRef": self.source.ref(),
            "targetNamespace": self.target_namespace,
        }
        if self.wait:
            spec |= {"wait": True, "timeout": seconds_text(self.health_check_timeout)}
        elif self.health_check:
            checks = [_health_check(text) for text in self.health_check]
            spec |= {"healthChecks": checks, "timeout": seconds_text(self.health_check_timeout)}
        if self.decryption_provider:
            secret = {"secretRef": name_ref(self.decryption_secret)} if self.decryption_secret else {}
            spec["decryption"] = {"provider": self.decryption_provider} | secret
        return spec


def dependency(text: str) -> dict[str, str]:
    namespace, slash, name = text.partition("/")
    return {"name": name, "namespace": namespace} if slash else {"name": text}


def _health_check(text: str) -> dict[str, str]:
    """`kind/name.namespace`. Raises UsageError."""
    parts = text.split("/")
    form = f"invalid health check '{text}' must be in the format 'kind/name.namespace'"
    if len(parts) != 2:
        raise UsageError(f"{form} [{' '.join(parts)}]")
    kind = parts[0]
    if kind not in _CHECKED:
        raise UsageError(f"invalid health check kind '{kind}' can be HelmRelease, Deployment, DaemonSet or StatefulSet")
    place = parts[1].split(".")
    if len(place) != 2:
        raise UsageError(form)
    version = {"apiVersion": BY_NAME["HelmRelease"].api_version} if kind == "HelmRelease" else {}
    return version | {"kind": kind, "name": place[0], "namespace": place[1]}
