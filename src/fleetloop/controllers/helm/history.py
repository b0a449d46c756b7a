"""status.history: what Helm stored, newest first, and how much of it is kept. Pure. Flux: helm-notification-image.md 2.9."""

import datetime
from collections.abc import Sequence

import msgspec

from fleetloop.api.helm import HookRun, Snapshot

API_VERSION = "v2"  # of the digest: others are not compared
ALGORITHMS = ("sha256", "sha384", "sha512")  # of digests
KEPT = 5
GOOD = frozenset({"deployed", "superseded"})
_NEVER = datetime.datetime(1, 1, 1, tzinfo=datetime.UTC)


class TestRun(msgspec.Struct, frozen=True, rename="camel"):
    last_started: str
    last_completed: str
    phase: str


class Stored(msgspec.Struct, frozen=True, rename="camel"):
    """A release in Helm's storage, as the engine tells of it (engine/internal/release/snapshot.go)."""

    name: str
    namespace: str
    version: int
    status: str
    description: str
    chart_name: str
    chart_version: str
    app_version: str
    digest: str
    config_digest: str
    apply_method: str
    first_deployed: str
    last_deployed: str
    deleted: str
    test_hooks: dict[str, TestRun]


def written_over(stored: Sequence[Stored], observed: Sequence[Stored]) -> list[Stored]:
    """What storage holds, newest first, after these were written to what it held."""
    versions = {one.version: one for one in (*stored, *observed)}
    return [versions[version] for version in sorted(versions, reverse=True)]


def snapshot_of(stored: Stored, action: str, oci_digest: str, old: Snapshot | None = None) -> Snapshot:
    """`old`: what was known of the same version, whose tests stay known."""
    return Snapshot(
        api_version=API_VERSION,
        digest=stored.digest,
        name=stored.name,
        namespace=stored.namespace,
        version=stored.version,
        status=stored.status,
        action=action or (old.action if old else ""),
        chart_name=stored.chart_name,
        chart_version=stored.chart_version,
        app_version=stored.app_version,
        config_digest=stored.config_digest,
        first_deployed=_time(stored.first_deployed) or _NEVER,
        last_deployed=_time(stored.last_deployed) or _NEVER,
        deleted=_time(stored.deleted),
        oci_digest=oci_digest,
        test_hooks=old.test_hooks if old else None,
    )


def recorded(history: Sequence[Snapshot], snapshot: Snapshot) -> tuple[Snapshot, ...]:
    """With the snapshot in its place."""
    others = [one for one in history if one.version != snapshot.version]
    return tuple(sorted([*others, snapshot], key=lambda one: one.version, reverse=True))


def with_tests(snapshot: Snapshot, stored: Stored, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Snapshot:
    """After a test run; an empty map says that there were no tests. What the filters leave out did not have to run."""
    hooks = {
        name: HookRun(last_started=_time(run.last_started), last_completed=_time(run.last_completed), phase=run.phase)
        for name, run in stored.test_hooks.items()
        if (not include or name in include) and name not in exclude
    }
    return msgspec.structs.replace(snapshot, test_hooks=hooks, digest=stored.digest)


def removed(snapshot: Snapshot, action: str) -> Snapshot:
    """After an uninstall, of which Helm keeps no word unless it is told to keep its history."""
    return msgspec.structs.replace(snapshot, status="uninstalled", action=action)


def was_tested(snapshot: Snapshot) -> bool:
    """All of its tests ran to their end, or one failed."""
    hooks = snapshot.test_hooks
    if hooks is None:
        return False
    phases = [hook.phase for hook in hooks.values()]
    return not phases or "Failed" in phases or all(phase == "Succeeded" for phase in phases)


def failed_tests(snapshot: Snapshot) -> bool:
    return any(hook.phase == "Failed" for hook in (snapshot.test_hooks or {}).values())


def previous(history: Sequence[Snapshot], *, ignore_tests: bool) -> Snapshot | None:
    """What the newest one can be rolled back to."""
    return next((one for one in history[1:] if one.status in GOOD and (ignore_tests or not failed_tests(one))), None)


def trimmed(history: Sequence[Snapshot], *, ignore_tests: bool) -> tuple[Snapshot, ...]:
    """Down to what a rollback would go back to; the newest five without such a one."""
    target = previous(history, ignore_tests=ignore_tests)
    if target is None:
        return tuple(history[:KEPT])
    return tuple(one for one in history if one.version >= target.version)


def is_stored(snapshot: Snapshot, stored: Sequence[Stored]) -> bool:
    """Whether Helm's storage still has it, as it was."""
    return any(
        one.version == snapshot.version and (snapshot.api_version != API_VERSION or one.digest == snapshot.digest)
        for one in stored
    )


def algorithm_of(digest: str, default: str) -> str:
    """Which it was made with; `default` where it names none of ours."""
    name = digest.partition(":")[0]
    return name if name in ALGORITHMS else default


def named(snapshot: Snapshot) -> str:
    """`namespace/name.v3`."""
    return f"{snapshot.namespace}/{snapshot.name}.v{snapshot.version}"


def chart_named(name: str, version: str) -> str:
    return f"{name}@{version}"


def with_chart(snapshot: Snapshot) -> str:
    """`namespace/name.v3 with chart web@1.0.0`."""
    return f"{named(snapshot)} with chart {chart_named(snapshot.chart_name, snapshot.chart_version)}"


def event_metadata(version: str, token: str, app_version: str, oci_digest: str) -> dict[str, str]:
    """Of an action's event. `token`: the digest of the values."""
    found = {"revision": version, "token": token, "app-version": app_version, "oci-digest": oci_digest}
    return {key: value for key, value in found.items() if value}


def _time(text: str) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(text) if text else None
