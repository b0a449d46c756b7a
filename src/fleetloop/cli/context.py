"""What every verb is given: where to say and print, which namespace, how long, and the doors to the cluster.

The only place, with `main.py`, that reads the environment and the kubeconfig.
"""

import contextlib
import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from fleetloop.cli.command import flag
from fleetloop.cli.errors import CliError, DeadlineExceeded, UsageError
from fleetloop.cli.files import stat_problem
from fleetloop.cli.goflags import DURATION, FLOAT, STRING, STRING_ARRAY, quoted
from fleetloop.cli.say import Say

if TYPE_CHECKING:
    from fleetloop.kube import Connection, Kube
    from fleetloop.kube.oneshot import OneShot

DEFAULT_NAMESPACE = "flux-system"
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def is_dns_label(text: str) -> bool:
    """RFC 1123: what Kubernetes takes as the name of a namespace."""
    return _DNS_LABEL.fullmatch(text) is not None


def _dns_label(namespace: str) -> str:
    """Raises UsageError."""
    if not is_dns_label(namespace):
        raise UsageError(f"namespace must be a valid DNS label: {quoted(namespace)}")
    return namespace


def default_namespace(environment: Mapping[str, str]) -> str:
    """What `-n` is when it is not given."""
    configured = environment.get("FLUX_SYSTEM_NAMESPACE", "")
    return configured if is_dns_label(configured) else DEFAULT_NAMESPACE


def warn_of_environment(environment: Mapping[str, str], say: Say) -> None:
    configured = environment.get("FLUX_SYSTEM_NAMESPACE", "")
    if configured and not is_dns_label(configured):
        say.warning(f" ignoring invalid FLUX_SYSTEM_NAMESPACE: {quoted(configured)}")


@dataclass(frozen=True)
class GlobalOptions:
    """The flags of every command, before and after the verb."""

    namespace: str | None = flag("--namespace", "-n", type=STRING, default=None, help="the namespace scope for this operation")
    timeout: float = flag("--timeout", type=DURATION, default=300.0, help="timeout for this operation")
    verbose: bool = flag("--verbose", help="print generated objects")
    ns_follows_kube_context: bool = flag("--ns-follows-kube-context", help="take the namespace of the kubeconfig's context")
    kubeconfig: str = flag("--kubeconfig", help="path to the kubeconfig file")
    context: str = flag("--context", help="the kubeconfig context to use")
    cluster: str = flag("--cluster", help="the kubeconfig cluster to use")
    user: str = flag("--user", help="the kubeconfig user to use")
    server: str = flag("--server", help="address and port of the Kubernetes API server")
    token: str = flag("--token", help="bearer token for the API server")
    as_user: str = flag("--as", help="user to impersonate for the operation")
    as_group: tuple[str, ...] = flag("--as-group", type=STRING_ARRAY, help="group to impersonate; may be repeated")
    as_uid: str = flag("--as-uid", help="UID to impersonate for the operation")
    as_user_extra: tuple[str, ...] = flag("--as-user-extra", type=STRING_ARRAY, help="user extras to impersonate")
    certificate_authority: str = flag("--certificate-authority", help="path to the API server's CA certificate")
    client_certificate: str = flag("--client-certificate", help="path to a client certificate for TLS")
    client_key: str = flag("--client-key", help="path to a client key for TLS")
    insecure_skip_tls_verify: bool = flag("--insecure-skip-tls-verify", help="do not verify the server's certificate")
    tls_server_name: str = flag("--tls-server-name", help="server name to verify the API server's certificate against")
    disable_compression: bool = flag("--disable-compression", help="no response compression for requests to the server")
    cache_dir: str = flag("--cache-dir", help="accepted for compatibility; nothing is cached on disk")
    kube_api_qps: float = flag("--kube-api-qps", type=FLOAT, default=50.0, help="queries per second to the API server")
    kube_api_burst: int = flag("--kube-api-burst", default=300, help="burst of queries to the API server")


@dataclass(frozen=True)
class Context:
    """`program` is the name we were called by (`fleetloop`, or `flux` through a link); it also owns the fields we write."""

    program: str
    options: GlobalOptions
    environment: Mapping[str, str]
    say: Say
    out: TextIO
    answers: TextIO  # what the person types
    checks_namespace: bool = True
    started: float = field(default_factory=time.monotonic)

    def print(self, text: str) -> None:
        """Data: one line, or several, to stdout."""
        self.write(text + "\n")

    def write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()

    def confirm(self, question: str) -> None:
        """Goes on after `y`; any other answer, or none, raises CliError."""
        self.write(f"? {question}? [y/N] ")
        if self.answers.readline().strip() not in {"y", "Y"}:
            raise CliError("aborting")

    @cached_property
    def namespace(self) -> str:
        """`-n`, else the context's own if asked to follow it, else FLUX_SYSTEM_NAMESPACE, else flux-system. Raises UsageError.

        ⚠ CLI3: the context's namespace is ignored unless following was asked for. ⚠ CLI4: `create` neither checks nor follows.
        """
        namespace = self.options.namespace
        if not self.checks_namespace:
            return default_namespace(self.environment) if namespace is None else namespace
        follows = self.options.ns_follows_kube_context or self.environment.get("FLUX_NS_FOLLOWS_KUBE_CONTEXT", "") != ""
        if namespace is None and follows:
            namespace = self.connection.namespace or None
        return default_namespace(self.environment) if namespace is None else _dns_label(namespace)

    def check_namespace(self) -> None:
        """An explicit `-n` is looked at before all else. Raises UsageError."""
        if self.checks_namespace and self.options.namespace is not None:
            _dns_label(self.options.namespace)

    def remaining(self) -> float:
        """Seconds left of `--timeout`, which bounds the whole verb. Raises DeadlineExceeded."""
        left = self.started + self.options.timeout - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded
        return left

    @cached_property
    def connection(self) -> "Connection":
        """Raises BadConnection, CliError."""
        return connect(self.options, self.environment)

    @cached_property
    def cluster(self) -> "OneShot":
        """The cluster for verbs that send a few requests and end: synchronous, and quick to import."""
        from fleetloop.api.kinds import KINDS
        from fleetloop.kube.discovery import Resource
        from fleetloop.kube.oneshot import OneShot

        return OneShot(
            self.connection,
            field_manager=self.program,
            user_agent=self.program,
            remaining=self.remaining,
            known=[Resource(kind.api_version, kind.kind, kind.plural, namespaced=True) for kind in KINDS],
        )

    @contextlib.asynccontextmanager
    async def kube(self) -> AsyncIterator["Kube"]:
        """The cluster for verbs that do many things at once."""
        from fleetloop.kube import Kube

        async with Kube(self.connection, field_manager=self.program, user_agent=self.program) as kube:
            yield kube


def connect(options: GlobalOptions, environment: Mapping[str, str]) -> "Connection":
    """The kubeconfig's connection with the flags laid over it; without one the cluster we run in, else localhost:8080."""
    from fleetloop.kube import Impersonation

    found = _configured(options, environment)
    changes: dict[str, Any] = {
        "server": options.server.rstrip("/"),
        "ca": _content(options.certificate_authority),
        "client_cert": _content(options.client_certificate),
        "client_key": _content(options.client_key),
        "insecure": options.insecure_skip_tls_verify,
        "tls_server_name": options.tls_server_name,
    }
    found = replace(found, **{name: value for name, value in changes.items() if value})
    if options.token:
        found = replace(found, token=lambda: options.token)
    if options.as_user or options.as_group or options.as_uid or options.as_user_extra:
        extra = tuple(_extra(text) for text in options.as_user_extra)
        found = replace(found, impersonation=Impersonation(options.as_user, options.as_group, options.as_uid, extra))
    return found


def _configured(options: GlobalOptions, environment: Mapping[str, str]) -> "Connection":
    from fleetloop.kube import BadConnection, Connection, from_kubeconfig, in_cluster

    paths = [path for path in kubeconfigs(options, environment) if path.stat().st_size > 0]
    if paths or options.context:
        return from_kubeconfig(paths, context=options.context, cluster=options.cluster, user=options.user)
    try:
        return in_cluster(environment)
    except BadConnection:
        return Connection(server="http://localhost:8080")


def kubeconfigs(options: GlobalOptions, environment: Mapping[str, str]) -> list[Path]:
    """Raises CliError when the one that was asked for is missing."""
    from fleetloop.kube import kubeconfig_paths

    if not options.kubeconfig:
        return kubeconfig_paths(environment)
    if problem := stat_problem(options.kubeconfig):
        raise CliError(problem)
    return [Path(options.kubeconfig)]


def _extra(text: str) -> tuple[str, str]:
    """`key=value` of `--as-user-extra`. Raises UsageError."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--as-user-extra must be key=value, but is {quoted(text)}")
    return key, value


def _content(path: str) -> str:
    """Text of a PEM file named by a flag."""
    try:
        return Path(path).read_text() if path else ""
    except OSError as error:
        raise CliError(f"open {path}: {(error.strerror or str(error)).lower()}") from None
