"""What is missing is named, all of it together, and nothing has been changed then (bootstrap ⚠ 10)."""

from typing import Any

import pytest

from fleetloop.kube import Manifest, ObjectRef
from fleetloop.kube.apply import until_current
from tests.e2e.bootstrap.place import BOT_RIGHTS, SMALL, Place

pytestmark = pytest.mark.asyncio(loop_scope="session")
CRD = ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "gitrepositories.source.toolkit.fluxcd.io")


async def untouched(place: Place, name: str, before: Any) -> bool:
    same = await place.forge.admin.repository("acme", name) == before
    return same and not await place.exists(ObjectRef("v1", "Namespace", "", name))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"administration": "none"}, "Administration: read"),
        ({"contents": "read"}, "Contents: write"),
        ({"contents": "none"}, "Contents: read and write"),
        ({"statuses": "read"}, "Commit statuses: write"),
        ({"statuses": "none"}, "Commit statuses: read and write"),
        ({"metadata": "none"}, "Metadata: read"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_bs10_each_permission_removed_is_the_one_named(place: Place, change: dict[str, str], named: str) -> None:
    """BS10: each permission removed is the one named."""
    name = place.name()
    before = await place.forge.admin.create_repository("acme", name)
    token = await place.forge.admin.create_token("ada", BOT_RIGHTS | change, owner="acme")
    done = await place.run(*place.github(name, "--token-auth"), GITHUB_TOKEN=token)
    assert done.lines == [
        "✗ preflight failed, nothing has been changed:",
        f'- the token lacks the permission "{named}" on {place.forge.url}/acme/{name}',
    ]
    assert done.code == 1
    assert await untouched(place, name, await place.forge.admin.repository("acme", name))
    assert (await place.forge.admin.repository("acme", name))["refs"] == before["refs"]


async def test_a_deploy_key_needs_more_than_a_token_that_the_cluster_uses(place: Place) -> None:
    name = place.name()
    before = await place.forge.admin.create_repository("acme", name)
    token = await place.forge.admin.create_token("ada", BOT_RIGHTS, owner="acme")
    done = await place.run(*place.github(name), GITHUB_TOKEN=token)
    assert f'- the token lacks the permission "Administration: write" on {place.forge.url}/acme/{name}' in done.lines
    assert len(done.lines) == 2
    assert await untouched(place, name, before)


async def test_everything_that_is_missing_is_told_together(place: Place) -> None:
    """Token, cluster and SSH host at once."""
    name = place.name()
    before = await place.forge.admin.create_repository("acme", name)
    token = await place.forge.admin.create_token("ada", BOT_RIGHTS | {"contents": "read"}, owner="acme")
    words = place.github(name, "--as=somebody", "--force")
    words = [word for word in words if not word.startswith("--ssh-hostname")] + ["--ssh-hostname=127.0.0.1:9"]
    done = await place.run(*words, GITHUB_TOKEN=token)
    told = "\n".join(done.lines)
    assert "installing needs cluster-admin; the current identity may not: get gitrepositories.source.toolkit.fluxcd.io" in told
    assert "create customresourcedefinitions.apiextensions.k8s.io" in told
    assert 'bind clusterroles.rbac.authorization.k8s.io "cluster-admin"' in told
    assert "- SSH key scan for host 127.0.0.1:9 failed, error: " in told
    assert '"Contents: write"' in told and '"Administration: write"' in told
    assert await untouched(place, name, before)


async def test_a_repository_that_cannot_be_created(place: Place) -> None:
    """BS12: missing and invisible look alike, so both rights are named."""
    name = place.name()
    token = await place.forge.admin.create_token("ada", BOT_RIGHTS, owner="acme")
    done = await place.run(*place.github(name), GITHUB_TOKEN=token)
    assert done.lines == [
        "✗ preflight failed, nothing has been changed:",
        f"- repository {place.forge.url}/acme/{name} does not exist, or the token cannot see it"
        ' (permission "Metadata: read"), and the token may not create it (permission "Administration: write")',
    ]


async def test_who_may_not_change_a_teams_access(place: Place) -> None:
    name = place.name()
    before = await place.forge.admin.create_repository("acme", name)
    token = await place.forge.admin.create_token("ada", BOT_RIGHTS, owner="acme")
    done = await place.run(*place.github(name, "--token-auth", "--team=platform"), GITHUB_TOKEN=token)
    assert done.lines[1:] == [
        '- the token may not change the access of team "platform": it needs the organization permission '
        '"Members: read" and "Administration: write" on the repository'
    ]
    assert await untouched(place, name, before)


async def test_bs2_an_empty_token_is_refused(place: Place) -> None:
    """BS2: an empty token is refused."""
    done = await place.run(*place.github(place.name()), answers="\n", GITHUB_TOKEN="")
    assert (done.lines, done.code) == (["✗ could not read token: it is empty"], 1)
    git = ("bootstrap", "git", "--url=https://git.example.com/a", "--token-auth")
    assert (await place.run(*git, answers="\n")).lines == ["✗ could not read token: it is empty"]


async def test_bs1_the_prompt_is_on_stdout(place: Place) -> None:
    """BS1: the prompt is on stdout."""
    done = await place.run(*place.github(place.name()), answers="half a line", GITHUB_TOKEN="")
    assert done.output == "Please enter your GitHub personal access token (PAT): "
    assert done.lines == ["✗ could not read token: could not read from stdin: EOF"]


async def test_a_wrong_token_is_said_to_be_one(place: Place) -> None:
    name = place.name()
    await place.forge.admin.create_repository("acme", name)
    done = await place.run(*place.github(name), GITHUB_TOKEN="github_pat_wrong")
    web = f"{place.forge.url}/acme/{name}"
    assert done.lines[1] == f'- failed to get Git repository "{web}": provider error: multiple errors occurred: '
    assert "401 Bad credentials" in done.lines[2]
    assert "github_pat_wrong" not in done.errors


async def test_another_path_would_prune_the_first(followed: Place) -> None:
    place, name = followed, followed.name()
    assert (await place.run(*place.github(name, SMALL, "--path=clusters/x"))).code == 0
    before = await place.forge.admin.repository("acme", name)
    done = await place.run(*place.github(name, "--path=clusters/y"))
    assert done.lines[1:] == [
        '- sync path configuration ("./clusters/y") would overwrite path ("./clusters/x") of existing Kustomization'
    ]
    assert await place.forge.admin.repository("acme", name) == before
    assert (await place.run(*place.github(name, SMALL, "--path=/clusters/x/"))).code == 0


async def test_bs32_an_identity_limited_to_the_namespace_may_run_again(followed: Place) -> None:
    """BS32: an identity limited to the namespace may run again."""
    place, name = followed, followed.name()
    assert (await place.run(*place.github(name, SMALL))).code == 0
    rules = [
        {"apiGroups": ["source.toolkit.fluxcd.io"], "resources": ["gitrepositories"], "verbs": ["*"]},
        {"apiGroups": ["kustomize.toolkit.fluxcd.io"], "resources": ["kustomizations"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "patch"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]},
    ]
    rbac, metadata = "rbac.authorization.k8s.io", {"name": "operator", "namespace": name}
    subject = {"apiGroup": rbac, "kind": "User", "name": f"operator-of-{name}"}
    role_ref = {"apiGroup": rbac, "kind": "Role", "name": "operator"}
    role = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules}
    await place.kube.create(role)
    await place.kube.create(
        {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": metadata, "roleRef": role_ref, "subjects": [subject]}
    )
    done = await place.run(*place.github(name, SMALL, "--force", f"--as=operator-of-{name}"))
    assert done.code == 0, done.errors
    unforced = await place.run(*place.github(name, f"--as=operator-of-{name}"))
    assert unforced.lines[-1].startswith("✗ cluster info unavailable: ")


async def test_a_namespace_that_is_being_deleted(place: Place) -> None:
    name = place.name()
    before = await place.forge.admin.create_repository("acme", name)
    held = {"name": name, "finalizers": ["example.com/held"]}
    made = await place.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": held | {"namespace": name}}
    await place.kube.create(config)
    ref = ObjectRef("v1", "Namespace", "", name)
    await place.kube.delete(ref, uid=made["metadata"]["uid"])
    done = await place.run(*place.github(name))
    await place.kube.patch(ObjectRef("v1", "ConfigMap", name, name), {"metadata": {"finalizers": None}})
    assert done.lines[1:] == [f"- namespace {name} is being deleted: run this again when it is gone"]
    assert await place.forge.admin.repository("acme", name) == before


async def test_bs5_an_installation_of_another_manager_is_not_taken_over_unasked(followed: Place) -> None:
    """BS5: The question of bootstrap.md 2.1, and what answers it."""
    place, name = followed, followed.name()
    assert (await place.run(*place.github(name, SMALL))).code == 0
    await place.kube.patch(CRD, {"metadata": {"labels": {"app.kubernetes.io/managed-by": "flux-operator"}}})
    try:
        refused = await place.run(*place.github(name))
        git = ("bootstrap", "git", f"--url={place.forge.url}/acme/{name}", "--token-auth", "--silent")
        silent = await place.run(*git, GIT_PASSWORD=place.token)
        agreed = await place.run(*place.github(name, SMALL), answers="y\n")
        forced = await place.run(*place.github(name, SMALL, "--force"))
    finally:
        await place.kube.patch(CRD, {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}})
    assert (
        refused.lines
        == silent.lines
        == [
            "⚠️ Flux v0.1.0 has been installed on this cluster with flux-operator!",
            "✗ bootstrap cancelled",
        ]
    )
    assert (agreed.code, forced.code) == (0, 0)


async def test_an_operators_instance_is_another_manager(place: Place) -> None:
    name = place.name()
    before = await place.forge.admin.create_repository("acme", name)
    await place.kube.apply(FLUX_INSTANCES)
    try:
        await place.kube.apply(await established_instance(place))
        done = await place.run(*place.github(name))
    finally:
        await place.kube.delete(ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", CRD_OF_INSTANCES))
    assert done.lines[1:] == [
        "- the controllers in this cluster are managed by FluxInstance default/flux: remove that first, or use --force"
    ]
    assert await untouched(place, name, before)


CRD_OF_INSTANCES = "fluxinstances.fluxcd.controlplane.io"
FLUX_INSTANCES: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": CRD_OF_INSTANCES},
    "spec": {
        "group": "fluxcd.controlplane.io",
        "names": {"kind": "FluxInstance", "plural": "fluxinstances", "singular": "fluxinstance"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}],
    },
}


async def established_instance(place: Place) -> Manifest:
    await until_current(place.kube, [FLUX_INSTANCES], 30)
    return {
        "apiVersion": "fluxcd.controlplane.io/v1",
        "kind": "FluxInstance",
        "metadata": {"name": "flux", "namespace": "default"},
    }
