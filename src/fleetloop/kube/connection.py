"""Where the API server is and who we are: from a kubeconfig or from inside a cluster. Sends nothing, and imports no HTTP library.

Commands in kubeconfigs (`exec`) are run for the person at the CLI only; a kubeconfig that came from a tenant goes through
`foreign_kubeconfig`.
"""

import base64
import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from fleetloop.api import yaml
from fleetloop.kube.errors import BadConnection

SERVICE_ACCOUNT_DIR = Path("/var/run/secrets/kubernetes.io/serviceaccount")
EXEC_TIMEOUT = 60.0
TOKEN_RELOAD = 30.0


@dataclass(frozen=True, slots=True)
class Impersonation:
    user: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, str], ...] = ()

    def headers(self) -> list[tuple[str, str]]:
        """An empty user with groups is refused by the server; an empty identity sends nothing, so callers refuse it first."""
        found = [("Impersonate-User", self.user)] if self.user else []
        found += [("Impersonate-Group", group) for group in self.groups]
        found += [(f"Impersonate-Extra-{quote(key.lower(), safe='')}", value) for key, value in self.extra]
        return found + ([("Impersonate-Uid", self.uid)] if self.uid else [])


@dataclass(frozen=True, slots=True)
class Connection:
    """`token` gives the bearer token now (it may be reloaded); certificates are PEM text."""

    server: str
    ca: str = ""
    token: Callable[[], str] | None = None
    basic: tuple[str, str] | None = None
    client_cert: str = ""
    client_key: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    proxy: str = ""
    namespace: str = ""
    context: str = ""
    impersonation: Impersonation = field(default_factory=Impersonation)
    largest_answer: int = 0  # bytes, and of an event of a watch; 0 for any

    def ssl_context(self) -> ssl.SSLContext:
        """Verified TLS; a given CA replaces the system's pool, as in client-go. Raises BadConnection."""
        try:
            context = ssl.create_default_context(cadata=self.ca or None)
        except (ssl.SSLError, ValueError) as error:
            raise BadConnection("certificate-authority-data is no PEM certificate") from error
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.client_cert:
            try:
                _load_pair(context, self.client_cert, self.client_key)
            except (ssl.SSLError, ValueError) as error:
                raise BadConnection("client-certificate-data and client-key-data are no pair in PEM") from error
        return context

    def headers(self) -> list[tuple[str, str]]:
        found = self.impersonation.headers()
        if self.token is not None:
            found.append(("Authorization", f"Bearer {self.token()}"))
        elif self.basic:
            pair = base64.b64encode(":".join(self.basic).encode()).decode()
            found.append(("Authorization", f"Basic {pair}"))
        return found

    def acting_as(self, user: str, groups: tuple[str, ...] = ()) -> "Connection":
        return replace(self, impersonation=Impersonation(user, groups))


def in_cluster(environment: Mapping[str, str], folder: Path = SERVICE_ACCOUNT_DIR) -> Connection:
    """The API server of the cluster this process runs in; the token file is read again every 30 s. Raises BadConnection."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    token_file = folder / "token"
    if not host or not port or not token_file.exists():
        raise BadConnection(
            "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined"
        )
    ca_file, namespace_file = folder / "ca.crt", folder / "namespace"
    return Connection(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        ca=ca_file.read_text() if ca_file.exists() else "",
        token=_ReloadedFile(token_file),
        namespace=namespace_file.read_text().strip() if namespace_file.exists() else "",
    )


def kubeconfig_paths(environment: Mapping[str, str]) -> list[Path]:
    """The files of `KUBECONFIG` (a colon separated list), else `~/.kube/config`; missing ones are left out."""
    listed = environment.get("KUBECONFIG", "")
    names = [Path(name) for name in listed.split(os.pathsep) if name] or [Path(environment.get("HOME", "/")) / ".kube" / "config"]
    return [path for path in names if path.exists()]


def from_kubeconfig(paths: list[Path], context: str = "", cluster: str = "", user: str = "") -> Connection:
    """Files are merged, the first one that names an entry wins. Raises BadConnection."""
    merged: dict[str, Any] = {"clusters": [], "users": [], "contexts": []}
    for path in paths:
        document = _read(path)
        merged.setdefault("current-context", document.get("current-context") or "")
        merged["current-context"] = merged["current-context"] or document.get("current-context") or ""
        for section in ("clusters", "users", "contexts"):
            known = {entry["name"] for entry in merged[section]}
            merged[section] += [_rooted(e, path.parent) for e in document.get(section) or [] if e["name"] not in known]
    return from_document(merged, context=context, cluster=cluster, user=user)


def from_document(document: dict[str, Any], *, context: str = "", cluster: str = "", user: str = "") -> Connection:
    """A parsed kubeconfig to a connection."""
    name = context or document.get("current-context") or ""
    chosen = _entry(document, "contexts", name, "context") if name else {}
    cluster_entry = _entry(document, "clusters", cluster or chosen.get("cluster", ""), "cluster")
    user_name = user or chosen.get("user", "")
    user_entry = _entry(document, "users", user_name, "user") if user_name else {}
    connection = Connection(
        server=str(cluster_entry.get("server") or "").rstrip("/"),
        ca=_pem(cluster_entry, "certificate-authority"),
        insecure=bool(cluster_entry.get("insecure-skip-tls-verify")),
        tls_server_name=cluster_entry.get("tls-server-name") or "",
        proxy=cluster_entry.get("proxy-url") or "",
        client_cert=_pem(user_entry, "client-certificate"),
        client_key=_pem(user_entry, "client-key"),
        namespace=chosen.get("namespace") or "",
        context=name,
        impersonation=Impersonation(user_entry.get("as") or "", tuple(user_entry.get("as-groups") or ())),
    )
    if not connection.server:
        raise BadConnection(f"cluster of context {name!r} has no server")
    if scheme := connection.server.partition("://")[0] if "://" in connection.server else "":
        if scheme not in {"https", "http"}:
            raise BadConnection(f"cluster of context {name!r}: server has the scheme {scheme!r}, not https")
    else:
        connection = replace(connection, server=f"https://{connection.server}")
    if user_entry.get("username"):
        connection = replace(connection, basic=(user_entry["username"], user_entry.get("password") or ""))
    if token := (user_entry.get("token") or "").strip():
        return replace(connection, token=lambda: token)
    if path := user_entry.get("tokenFile"):
        return replace(connection, token=_ReloadedFile(Path(path)))
    if plugin := user_entry.get("exec"):
        return _with_plugin(connection, plugin)
    return connection


class _ReloadedFile:
    """A token that is replaced on disk before it expires."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._value = ""
        self._read_at = float("-inf")

    def __call__(self) -> str:
        now = time.monotonic()
        if now - self._read_at > TOKEN_RELOAD:
            self._value = self._path.read_text().strip()
            self._read_at = now
        return self._value


class PluginToken:
    """The credential of an exec plugin, asked for again when it expires (`expires`: Unix time)."""

    def __init__(self, plugin: dict[str, Any]) -> None:
        self._plugin = plugin
        self.token = ""
        self.expires = float("-inf")

    def __call__(self) -> str:
        if time.time() >= self.expires - 30:
            self.renew()
        return self.token

    def renew(self) -> None:
        """Runs the plugin; blocks meanwhile. Raises BadConnection."""
        status = _run_plugin(self._plugin)
        self.token = status.get("token") or ""
        self.expires = _unix_of(status.get("expirationTimestamp"))


def _with_plugin(connection: Connection, plugin: dict[str, Any]) -> Connection:
    status = _run_plugin(plugin)
    if cert := status.get("clientCertificateData"):
        connection = replace(connection, client_cert=cert, client_key=status.get("clientKeyData") or "")
    return replace(connection, token=PluginToken(plugin)) if status.get("token") else connection


def _run_plugin(plugin: dict[str, Any]) -> dict[str, Any]:
    import subprocess  # which few kubeconfigs need

    command = [plugin["command"], *(plugin.get("args") or [])]
    info = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": {"interactive": False}}
    extra = {item["name"]: item["value"] for item in plugin.get("env") or []}
    environment = os.environ | extra | {"KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode()}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=EXEC_TIMEOUT)
        answer = msgspec.json.decode(done.stdout)
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError) as error:
        raise BadConnection(f"exec plugin {plugin['command']!r} gave no credential: {type(error).__name__}") from error
    status = answer.get("status")
    return status if isinstance(status, dict) else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.load(path.read_bytes())
    except (OSError, yaml.InvalidYAML) as error:
        raise BadConnection(f"error loading config file {str(path)!r}: {error}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise BadConnection(f"error loading config file {str(path)!r}: not a mapping")
    return document


def _rooted(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Relative file names in a kubeconfig are relative to it."""
    body_key = next((k for k in ("cluster", "user", "context") if isinstance(entry.get(k), dict)), "")
    body = dict(entry.get(body_key) or {})
    for key in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
        if body.get(key):
            body[key] = str(folder / body[key])
    return entry | ({body_key: body} if body_key else {})


def _entry(document: dict[str, Any], section: str, name: str, word: str) -> dict[str, Any]:
    for entry in document.get(section) or []:
        if entry.get("name") == name:
            return entry.get(word) or {}
    raise BadConnection(f'{word} "{name}" does not exist' if name else f"no {word} is configured")


def _pem(entry: dict[str, Any], key: str) -> str:
    try:
        if data := entry.get(f"{key}-data"):
            return base64.b64decode(data).decode()  # a number is a TypeError
        return Path(entry[key]).read_text() if entry.get(key) else ""
    except (OSError, ValueError, TypeError) as error:
        raise BadConnection(f"{key} cannot be read: {type(error).__name__}") from error


def _load_pair(context: ssl.SSLContext, cert: str, key: str) -> None:
    """OpenSSL takes certificate pairs from files only; the file lives as long as the call."""
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:
        pair.write(cert + "\n" + key)
        pair.flush()
        context.load_cert_chain(pair.name)


def _unix_of(timestamp: str | None) -> float:
    import datetime

    return datetime.datetime.fromisoformat(timestamp).timestamp() if timestamp else float("inf")
