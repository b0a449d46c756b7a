"""Helm, as this controller asks an engine for it: one place in a cluster, one release. Decides nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from fleetloop.api.helm import HelmReleaseStatus
from fleetloop.controllers.helm.history import Stored, algorithm_of
from fleetloop.engine import EngineError, EngineGone, Engines, Family
from fleetloop.kube.connection import Connection

QUESTION_TIMEOUT = 60.0  # seconds, for what only reads
SLACK = 20  # an action waits for several things in turn, each within its own timeout
REMOTE_REQUEST = 30.0  # seconds for a request to a cluster that somebody else described. Flux: 2.16


class HelmFailed(Exception):
    """Helm refused before it began, or its process is gone; what was written is in Helm's storage."""


class Outcome(msgspec.Struct, frozen=True):
    """How an action ended: what it wrote, in order; its error or "". `objects`: of what it wrote last, by name alone; None where
    nobody knows."""

    observed: list[Stored]
    logs: list[str]
    error: str
    objects: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Helm:
    """`connection`: as whom. `record`: what is known of releases; `new_oci_digest` is of the next one. `owner`: whose
    charts they are; one whose action took an engine along gets an engine of its own for a while. `wait` is asked to wait for
    objects."""

    engines: Engines
    connection: Connection
    name: str
    namespace: str
    storage_namespace: str
    algorithm: str
    record: HelmReleaseStatus
    new_oci_digest: str
    owner: str
    wait: Callable[[Any], Awaitable[None]]

    async def history(self) -> list[Stored]:
        """Newest first. Raises HelmFailed."""
        found = await self._ask("helm.history", place=self._place)
        return msgspec.convert(found["releases"], list[Stored])

    async def manifest(self, version: int) -> list[dict[str, Any]]:
        found = await self._ask("helm.manifest", place=self._place, version=version)
        objects: list[dict[str, Any]] = found["objects"]
        return objects

    async def act(self, verb: str, within: float, /, **args: object) -> Outcome:
        """`within`: seconds of the action's own timeout. Raises HelmFailed."""
        try:
            found = await self.engines.call_once(
                Family.HELM, verb, within * SLACK, self.owner, self._answer, place=self._place, **args
            )
        except (EngineError, EngineGone) as error:
            raise HelmFailed(str(error)) from error
        return msgspec.convert(found, Outcome)

    async def _answer(self, question: str, args: Any) -> Any:
        """An action may outlive the token it began with."""
        if question == "token":
            return {"token": self.connection.token() if self.connection.token else ""}
        return await self.wait(args)

    async def _ask(self, verb: str, **args: object) -> Any:
        return await ask(self.engines, verb, **args)

    @property
    def _place(self) -> dict[str, Any]:
        history = self.record.history
        digests = {
            "algorithm": self.algorithm,
            "sealed": {str(one.version): algorithm_of(one.digest, self.algorithm) for one in history},
            "oci": {str(one.version): one.oci_digest for one in history if one.oci_digest},
        }
        return {
            "cluster": cluster_arguments(self.connection),
            "name": self.name,
            "namespace": self.namespace,
            "storageNamespace": self.storage_namespace,
            "digests": digests | {"newOCI": self.new_oci_digest},
        }


async def ask(engines: Engines, verb: str, **args: object) -> Any:
    """A verb that changes nothing. Raises HelmFailed."""
    try:
        return await engines.call_surely(Family.HELM, verb, QUESTION_TIMEOUT, **args)  # type: ignore[arg-type]
    except (EngineError, EngineGone) as error:
        raise HelmFailed(str(error)) from error


def cluster_arguments(connection: Connection) -> dict[str, Any]:
    """What the engine needs to reach the same API server as the same identity."""
    user, password = connection.basic or ("", "")
    return {
        "server": connection.server,
        "ca": connection.ca,
        "token": connection.token() if connection.token else "",
        "username": user,
        "password": password,
        "clientCert": connection.client_cert,
        "clientKey": connection.client_key,
        "insecure": connection.insecure,
        "tlsServerName": connection.tls_server_name,
        "proxy": connection.proxy,
        "user": connection.impersonation.user,
        "groups": list(connection.impersonation.groups),
        "seconds": REMOTE_REQUEST if connection.largest_answer else 0,
        "largestAnswer": connection.largest_answer,
    }
