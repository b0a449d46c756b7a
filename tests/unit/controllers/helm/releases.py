"""Values that several tests of helm-controller start from."""

import datetime
from typing import Any

from fleetloop.api.helm import HelmRelease, HookRun, Snapshot
from fleetloop.controllers.helm.history import Stored, TestRun
from fleetloop.runtime.decode import decoded

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


def release(status: dict[str, Any] | None = None, annotations: dict[str, str] | None = None, **spec: Any) -> HelmRelease:
    metadata = {"name": "app", "namespace": "team", "generation": 2, "annotations": annotations or {}}
    wanted = {"interval": "1h", "chartRef": {"kind": "OCIRepository", "name": "chart"}} | spec
    manifest = {"metadata": metadata, "spec": wanted, "status": status or {}}
    return decoded(HelmRelease, {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease"} | manifest)


def snapshot(version: int = 1, status: str = "deployed", tests: dict[str, str] | None = None, **other: Any) -> Snapshot:
    """`tests`: phase by name; None: they did not run."""
    hooks = None if tests is None else {name: HookRun(phase=phase) for name, phase in tests.items()}
    fields: dict[str, Any] = {
        "api_version": "v2",
        "digest": f"sha256:{version}",
        "name": "app",
        "namespace": "team",
        "version": version,
        "status": status,
        "chart_name": "web",
        "chart_version": "1.0.0",
        "config_digest": "sha256:c",
        "first_deployed": NOW,
        "last_deployed": NOW,
        "test_hooks": hooks,
    }
    return Snapshot(**(fields | other))


def stored(version: int = 1, status: str = "deployed", tests: dict[str, str] | None = None, **other: Any) -> Stored:
    fields: dict[str, Any] = {
        "name": "app",
        "namespace": "team",
        "version": version,
        "status": status,
        "description": "",
        "chart_name": "web",
        "chart_version": "1.0.0",
        "app_version": "9",
        "digest": f"sha256:{version}",
        "config_digest": "sha256:c",
        "apply_method": "ssa",
        "first_deployed": "2026-01-02T03:04:05Z",
        "last_deployed": "2026-01-02T03:04:05Z",
        "deleted": "",
        "test_hooks": {name: TestRun("", "", phase) for name, phase in (tests or {}).items()},
    }
    return Stored(**(fields | other))
