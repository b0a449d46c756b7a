"""Steps where the right moment matters: somebody else pushes between our clone and our push, or after it."""

from pathlib import Path

import pytest

from fleetloop.bootstrap import steps
from fleetloop.bootstrap.components import InstallOptions
from fleetloop.bootstrap.errors import StepFailed
from fleetloop.bootstrap.files import Sync
from fleetloop.bootstrap.hands import RealHands
from fleetloop.bootstrap.plan import CommitStyle, Plan
from fleetloop.bootstrap.pull_secret import PullSecret
from fleetloop.bootstrap.secret import CREDENTIAL_KEYS, BasicAuth, SourceSecret, secret_manifest
from fleetloop.bootstrap.tools import Tools
from fleetloop.bootstrap.validation import RegistryCredentials
from fleetloop.bootstrap.waits import Expected
from fleetloop.bootstrap.work import Remote, WorkTree
from fleetloop.git import Credentials, Git, GitUrl, Person
from fleetloop.kube import Kube, Manifest, ref_of
from fleetloop.kube.errors import Invalid
from tests.e2e.bootstrap.place import Place
from tests.kit.say import Heard

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Rivalled(RealHands):
    """Hands whose pushes come too late, `times` times."""

    def __init__(self, kube: Kube, place: Place, name: str, folder: Path, times: int) -> None:
        super().__init__(kube)
        self._place, self._name, self._folder, self._times = place, name, folder, times

    async def push(self, work: WorkTree) -> None:
        if self._times:
            self._times -= 1
            await rival_commit(self._place, self._name, self._folder, f"rival-{self._times}")
        await super().push(work)


async def rival_commit(place: Place, name: str, folder: Path, file: str) -> str:
    clone = folder / "rival"
    if clone.exists():
        await place.forge.git("pull", "--quiet", "--rebase", "origin", "main", cwd=clone, token=place.token)
    return await place.forge.push_files("acme", name, {file: "x"}, token=place.token, folder=clone)


def plan_for(place: Place, name: str) -> Plan:
    url = GitUrl.parse(f"{place.forge.url}/acme/{name}.git")
    return Plan(
        components=InstallOptions(namespace=name),
        sync=Sync(name, str(url), "main", "./clusters/x"),
        remote=url,
        credentials=Credentials(username="ada", password=place.token, ca=place.forge.ca_file.read_bytes()),
        secret=SourceSecret(BasicAuth("git", place.token)),
        commits=CommitStyle(Person("Flux")),
    )


def tools_with(place: Place, hands: RealHands, heard: Heard) -> Tools:
    return Tools(place.kube, hands, Git.inheriting({"PATH": "/usr/bin:/bin"}), no_build, heard, yes, yes, no_wait)


async def no_build(tree: Path, directory: str) -> list[Manifest]:
    raise AssertionError("nothing is built here")


async def yes(question: str) -> bool:
    return True


async def no_wait(expected: Expected, deadline: float) -> None: ...


async def publish(place: Place, name: str, folder: Path, times: int) -> Heard:
    await place.forge.admin.create_repository("acme", name)
    await rival_commit(place, name, folder, "first")
    plan, heard = plan_for(place, name), Heard()
    tools = tools_with(place, Rivalled(place.kube, place, name, folder, times), heard)
    async with WorkTree.temporary(Remote(plan.remote, "main", plan.credentials, tools.git)) as work:
        await work.clone()
        await steps.publish("component", lambda tree: {"f": "ours"}, "ours", work, plan, tools)
    return heard


async def test_bs29_a_push_in_between_is_met_with_a_fresh_clone(place: Place, tmp_path: Path) -> None:
    """BS29: a push in between is met with a fresh clone."""
    name = place.name()
    heard = await publish(place, name, tmp_path, times=1)
    assert "⚠️  git conflict detected, retrying with a fresh clone" in heard.lines
    assert await place.subjects(name) == ["ours", "change rival-0", "change first"]
    assert await place.file(name, "f") == "ours"


async def test_bs29_two_pushes_in_between_are_too_many(place: Place, tmp_path: Path) -> None:
    """BS29: two pushes in between are too many."""
    name = place.name()
    with pytest.raises(StepFailed, match="failed to push manifests: failed to push to remote"):
        await publish(place, name, tmp_path, times=2)


async def test_bs36_a_later_commit_of_somebody_else_is_built_upon_ours(place: Place, tmp_path: Path) -> None:
    """BS36: a later commit of somebody else is built upon ours."""
    name = place.name()
    await place.forge.admin.create_repository("acme", name)
    older = await rival_commit(place, name, tmp_path, "first")
    plan = plan_for(place, name)
    git = Git.inheriting({"PATH": "/usr/bin:/bin"})
    async with WorkTree.temporary(Remote(plan.remote, "main", plan.credentials, git)) as work:
        await work.clone()
        await work.commit({"f": "ours"}, "ours", plan.commits)
        await work.push()
        later = await rival_commit(place, name, tmp_path, "later")
        expected = Expected(f"main@sha1:{work.head}", work.is_built_upon)
        assert await expected.is_met_by(f"main@sha1:{later}")
        assert not await expected.is_met_by(f"main@sha1:{older}")
        assert not await expected.is_met_by("main@sha1:" + "0" * 40)
        assert not await expected.is_met_by("")


async def test_a_source_secret_of_another_type_keeps_it(place: Place) -> None:
    name = place.name("ns")
    await place.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    data = {"username": "YQ==", "password": "YQ==", "other": "YQ=="}
    secret = secret_manifest(name, "flux-system", {}) | {"type": "kubernetes.io/basic-auth", "data": data}
    await place.kube.create(secret)
    hands, wanted = RealHands(place.kube), {"username": b"b", "password": b"c", "ca.crt": b"d"}
    await hands.write_secret(secret_manifest(name, "flux-system", wanted), CREDENTIAL_KEYS)
    assert await place.secret(name) == {**wanted, "other": b"a"}
    made = secret_manifest(name, "new", wanted)
    await hands.write_secret(made, CREDENTIAL_KEYS)
    assert (await place.kube.get(ref_of(made)))["type"] == "Opaque"
    pull = PullSecret("flux-system", "ghcr.io/x", RegistryCredentials("u", "p"))
    with pytest.raises(Invalid, match="field is immutable"):
        await hands.write_secret(pull.manifest(name), frozenset())
