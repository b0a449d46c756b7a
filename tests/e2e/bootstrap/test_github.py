"""`bootstrap github`, line by line and file by file, against a real API server, a real forge and real git."""

import re

import pytest

from fleetloop import __version__
from fleetloop.bootstrap.components import InstallOptions, generate
from fleetloop.kube import ObjectRef
from tests.e2e.bootstrap.place import ALL_RIGHTS, BOT_RIGHTS, SMALL, Place

pytestmark = pytest.mark.asyncio(loop_scope="session")
HEX = "[0-9a-f]{40}"


def waits(name: str) -> list[str]:
    return [
        f'◎ waiting for GitRepository "{name}/{name}" to be reconciled',
        "✔ GitRepository reconciled successfully",
        f'◎ waiting for Kustomization "{name}/{name}" to be reconciled',
        "✔ Kustomization reconciled successfully",
        "► confirming components are healthy",
        "✔ helm-controller: deployment ready",
        "✔ kustomize-controller: deployment ready",
        "✔ notification-controller: deployment ready",
        "✔ source-controller: deployment ready",
        "✔ all components are healthy",
    ]


def masked(lines: list[str]) -> list[str]:
    shown = (re.sub(rf'\("{HEX}"\)', '("<hash>")', line) for line in lines)
    return [re.sub(r"(public key: ecdsa-sha2-nistp384) \S+$", r"\1 <key>", line) for line in shown]


async def test_a_first_run_message_for_message(followed: Place) -> None:
    """BS13: the repository is created without a branch; BS33: the Secret is there before the sync objects."""
    place, name = followed, followed.name()
    done = await place.run(*place.github(name, "--team=platform"))
    web = f"{place.forge.url}/acme/{name}"
    assert masked(done.lines) == [
        f"► connecting to {place.domain}",
        f'✔ repository "{web}" created',
        "► reconciling repository permissions",
        '✔ granted "maintain" permissions to "platform"',
        "✔ reconciled repository permissions",
        f'► cloning branch "main" from Git repository "{web}.git"',
        "✔ cloned repository",
        "► generating component manifests",
        "✔ generated component manifests",
        '✔ committed component manifests to "main" ("<hash>")',
        f'► pushing component manifests to "{web}.git"',
        f'► installing components in "{name}" namespace',
        "✔ installed components",
        "✔ reconciled components",
        f'► determining if source secret "{name}/flux-system" exists',
        "► generating source secret",
        "✔ public key: ecdsa-sha2-nistp384 <key>",
        f'✔ configured deploy key "{name}-main-flux-system-./clusters/x" for "{web}"',
        f'► applying source secret "{name}/flux-system"',
        "✔ reconciled source secret",
        "► generating sync manifests",
        "✔ generated sync manifests",
        '✔ committed sync manifests to "main" ("<hash>")',
        f'► pushing sync manifests to "{web}.git"',
        "► applying sync manifests",
        "✔ reconciled sync configuration",
        *waits(name),
    ]
    assert (done.code, done.output) == (0, "")
    await check_repository(place, name)
    await check_secret(place, name)


async def check_repository(place: Place, name: str) -> None:
    here = f"clusters/x/{name}"
    assert sorted(await place.forge.admin.files("acme", name, "main")) == [
        f"{here}/gotk-components.yaml",
        f"{here}/gotk-sync.yaml",
        f"{here}/kustomization.yaml",
    ]
    assert await place.file(name, f"{here}/gotk-components.yaml") == generate(InstallOptions(namespace=name))
    sync = await place.file(name, f"{here}/gotk-sync.yaml")
    assert f"  url: ssh://git@{place.ssh_host}/acme/{name}\n" in sync
    second, first = await place.forge.admin.commits("acme", name, "main")
    assert first.message == f"Add Flux v{__version__} component manifests"  # nothing follows, not even a newline
    assert second.message == "Add Flux sync manifests"
    assert (first.author_name, first.author_email, first.committer_name) == ("Flux", "", "Flux")


async def check_secret(place: Place, name: str) -> None:
    secret = await place.secret(name)
    (key,) = await place.forge.admin.keys("acme", name)
    assert sorted(secret) == ["identity", "identity.pub", "known_hosts"]
    assert secret["identity"].startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert secret["identity.pub"].decode() == key["key"] + "\n"
    host, port = place.ssh_host.split(":")
    assert secret["known_hosts"].startswith(f"[{host}]:{port} ".encode())
    assert key["read_only"] is True
    live = await place.kube.get(ObjectRef("v1", "Secret", name, "flux-system"))
    assert live["type"] == "Opaque" and "labels" not in live["metadata"]


async def test_a_second_run_commits_nothing_and_finds_the_deploy_key_gone(followed: Place) -> None:
    """BS15: an equal key stays. BS16: a lost one is put back. BS32: only the sync objects are applied again. BS35: a
    reconciliation is asked for."""
    place, name = followed, followed.name()
    words = place.github(name)
    assert (await place.run(*words)).code == 0
    before = await place.forge.admin.repository("acme", name)
    crd = ObjectRef("apps/v1", "Deployment", name, "source-controller")
    untouched = (await place.kube.get(crd))["metadata"]["resourceVersion"]

    again = await place.run(*words)
    web = f"{place.forge.url}/acme/{name}"
    quiet = [
        f"► connecting to {place.domain}",
        f'► cloning branch "main" from Git repository "{web}.git"',
        "✔ cloned repository",
        "► generating component manifests",
        "✔ generated component manifests",
        "✔ component manifests are up to date",
        "✔ reconciled components",
        f'► determining if source secret "{name}/flux-system" exists',
        "✔ source secret up to date",
        "► generating sync manifests",
        "✔ generated sync manifests",
        "✔ sync manifests are up to date",
        "► applying sync manifests",
        "✔ reconciled sync configuration",
        *waits(name),
    ]
    assert again.lines == quiet
    assert await place.forge.admin.repository("acme", name) == before
    assert (await place.kube.get(crd))["metadata"]["resourceVersion"] == untouched
    for api in ("source.toolkit.fluxcd.io/v1 GitRepository", "kustomize.toolkit.fluxcd.io/v1 Kustomization"):
        live = await place.kube.get(ObjectRef(*api.split(), name, name))
        assert "reconcile.fluxcd.io/requestedAt" in live["metadata"]["annotations"]

    async with client(place) as github:
        key_id = before["keys"][0]["id"]
        await github.write("DELETE", f"/repos/acme/{name}/keys/{key_id}", None)
    healed = await place.run(*words)
    told = f'✔ configured deploy key "{name}-main-flux-system-./clusters/x" for "{web}"'
    assert [line for line in healed.lines if line not in quiet] == [told]
    (key,) = await place.forge.admin.keys("acme", name)
    assert key["key"] == before["keys"][0]["key"]

    writable = await place.run(*words, "--read-write-key")
    assert told in writable.lines
    assert (await place.forge.admin.keys("acme", name))[0]["read_only"] is False


async def test_a_kept_secret_needs_no_ssh_server_and_no_public_key(followed: Place) -> None:
    """Only a new Secret has its host key read, and nobody listens at the port of the second run. The third derives the key."""
    place, name = followed, followed.name()
    assert (await place.run(*place.github(name, SMALL))).code == 0
    done = await place.run(*place.github(name, SMALL, "--ssh-hostname=127.0.0.1:9", "--dry-run"))
    assert (done.lines[-1], done.code) == ("✔ reconciled sync configuration", 0)
    assert "✔ source secret up to date" in done.lines

    before = await place.secret(name)
    keys = await place.forge.admin.keys("acme", name)
    await place.kube.patch(ObjectRef("v1", "Secret", name, "flux-system"), {"data": {"identity.pub": None}})
    again = await place.run(*place.github(name, SMALL))
    assert again.code == 0, again.errors
    assert "✔ source secret up to date" in again.lines
    assert (await place.secret(name))["identity"] == before["identity"]
    assert await place.forge.admin.keys("acme", name) == keys


def client(place: Place):  # type: ignore[no-untyped-def]
    from fleetloop.forge import ForgeHttp

    return ForgeHttp.open(place.forge.api_url, f"Bearer {place.token}", place.forge.ca_file.read_bytes())


async def test_token_auth_with_the_bots_rights_and_rotation(followed: Place) -> None:
    """BS38, BS39: the Secret holds what is passed now, and nothing of the other way."""
    place, name = followed, followed.name()
    await place.forge.admin.create_repository("acme", name)
    bot = await place.forge.admin.create_token("ada", BOT_RIGHTS, owner="acme")
    done = await place.run(*place.github(name, "--token-auth", SMALL), GITHUB_TOKEN=bot)
    assert done.code == 0, done.errors
    ca = place.forge.ca_file.read_bytes()
    assert await place.secret(name) == {"username": b"git", "password": bot.encode(), "ca.crt": ca}
    sync = await place.file(name, f"clusters/x/{name}/gotk-sync.yaml")
    assert f"  url: {place.forge.url}/acme/{name}.git\n" in sync
    assert await place.forge.admin.keys("acme", name) == []

    newer = await place.forge.admin.create_token("ada", BOT_RIGHTS, owner="acme")
    assert (await place.run(*place.github(name, "--token-auth", SMALL), GITHUB_TOKEN=newer)).code == 0
    assert (await place.secret(name))["password"] == newer.encode()
    assert len(await place.subjects(name)) == 2

    to_ssh = await place.run(*place.github(name, SMALL))
    assert to_ssh.code == 0, to_ssh.errors
    assert sorted(await place.secret(name)) == ["identity", "identity.pub", "known_hosts"]
    assert len(await place.subjects(name)) == 3
    back = await place.run(*place.github(name, "--token-auth", SMALL))
    assert back.code == 0, back.errors
    assert sorted(await place.secret(name)) == ["ca.crt", "password", "username"]
    for run in (done, to_ssh, back):
        assert bot not in run.errors and place.token not in run.errors


async def test_an_upgrade_makes_one_commit_and_leaves_the_sync_alone(followed: Place) -> None:
    """BS10 and BS40: flags are not remembered, and the run says what that removes."""
    place, name = followed, followed.name()
    assert (await place.run(*place.github(name, SMALL, "--components-extra=image-reflector-controller"))).code == 0
    done = await place.run(*place.github(name, SMALL))
    warning = "⚠️  no longer among the components, so the cluster will remove with all their objects: image-reflector-controller"
    assert warning in done.lines
    assert await place.subjects(name) == [
        f"Add Flux v{__version__} component manifests",
        "Add Flux sync manifests",
        f"Add Flux v{__version__} component manifests",
    ]


async def test_bs14_a_team_with_a_permission_is_one_team_and_bs9_only_reconcile_rewrites_it(followed: Place) -> None:
    """BS14, BS9: a team with a permission is one team and only reconcile rewrites it."""
    place, name = followed, followed.name()
    assert (await place.run(*place.github(name, SMALL, "--team=platform:admin"))).code == 0
    assert (await place.forge.admin.repository("acme", name))["teams"] == {"platform": "admin"}
    kept = await place.run(*place.github(name, SMALL, "--team=platform:push"))
    assert (await place.forge.admin.repository("acme", name))["teams"] == {"platform": "admin"}
    assert not [line for line in kept.lines if "granted" in line]
    rewritten = await place.run(*place.github(name, SMALL, "--team=platform:push", "--reconcile"))
    assert '✔ granted "push" permissions to "platform"' in rewritten.lines
    assert (await place.forge.admin.repository("acme", name))["teams"] == {"platform": "push"}


async def test_bs11_an_unknown_team_is_a_warning_that_ends_in_exit_1(followed: Place) -> None:
    """BS11: an unknown team is a warning that ends in exit 1."""
    place, name = followed, followed.name()
    done = await place.run(*place.github(name, SMALL, "--team=nobody"))
    assert '✗ failed to grant "maintain" permissions to "nobody": multiple errors occurred: ' in done.lines
    assert "- the requested resource was not found" in done.lines
    assert "✔ reconciled repository permissions" in done.lines
    assert "✔ all components are healthy" in done.lines
    assert (done.lines[-1], done.code) == ("✗ failed to grant permissions to team: reconciled with warning", 1)


async def test_another_branch_author_and_appendix(followed: Place) -> None:
    """BS13: an empty new repository takes the branch that is asked for."""
    place, name = followed, followed.name()
    more = (SMALL, "--branch=live", "--author-name=Bot", "--author-email=bot@acme.example", "--commit-message-appendix=[ci skip]")
    done = await place.run(*place.github(name, *more))
    assert done.code == 0, done.errors
    newest = (await place.forge.admin.commits("acme", name, "live"))[0]
    assert newest.message == "Add Flux sync manifests\n\n[ci skip]"
    assert (newest.author_name, newest.author_email) == ("Bot", "bot@acme.example")


async def test_a_personal_repository(followed: Place) -> None:
    place, name = followed, followed.name()
    token = await place.forge.admin.create_token("ada", ALL_RIGHTS)
    words = place.github(name, "--owner=ada", "--personal", "--private=false", "--team=ignored", SMALL)
    done = await place.run(*words, GITHUB_TOKEN=token)
    assert done.code == 0, done.errors
    assert not [line for line in done.lines if "permissions" in line]
    assert (await place.forge.admin.repository("ada", name))["private"] is False
    other = await place.run(*place.github(f"{name}-x", "--owner=bob", "--personal"), GITHUB_TOKEN=token)
    assert other.lines == [
        "✗ preflight failed, nothing has been changed:",
        "- the specified owner 'bob' doesn't match the identity associated with the given token",
    ]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--hostname=http://h"], 'invalid hostname "http://h": expected host or host:port, without scheme or path'),
        (["--ca-file=/nowhere"], "unable to read TLS CA file: open /nowhere: no such file or directory"),
        (["--team=t:owner"], 'failed to reconcile repository team access: invalid permission "owner" for team "t"'),
        (["--namespace=Bad_NS"], 'namespace must be a valid DNS label: "Bad_NS"'),
        (["--components=source-controller"], "component kustomize-controller is required"),
    ],
)
async def test_bs25_what_is_refused_before_anything_is_read(place: Place, more: list[str], message: str) -> None:
    """BS25: what is refused before anything is read."""
    done = await place.run(*place.github("never"), *more, KUBECONFIG="/nonexistent")
    assert (done.lines, done.code) == ([f"✗ {message}"], 1)


async def test_an_empty_owner(place: Place) -> None:
    done = await place.run(*place.github("never", "--owner="))
    told = f'- failed to get Git repository "{place.forge.url}//never": provider error: owner is required'
    assert done.lines[1:] == [told]


async def test_a_rehearsal_changes_nothing(place: Place) -> None:
    name = place.name()
    done = await place.run(*place.github(name, "--dry-run", "--team=platform"))
    assert done.code == 0, done.errors
    assert done.lines[0] == "⚠️  dry run: nothing is changed"
    told = done.output.splitlines()
    assert f"POST {place.forge.api_url}orgs/acme/repos " in done.output
    assert f"POST {place.forge.api_url}repos/acme/{name}/keys " in done.output
    assert f"apply Deployment/{name}/source-controller" in told
    assert f"write Secret/{name}/flux-system with the keys identity, identity.pub, known_hosts" in told
    assert f"apply GitRepository/{name}/{name}" in told
    assert f"+  url: ssh://git@{place.ssh_host}/acme/{name}" in told
    assert "PRIVATE KEY" not in done.output
    assert not await place.exists(ObjectRef("v1", "Namespace", "", name))
    assert name not in [one["name"] for one in await repositories(place)]


async def repositories(place: Place) -> list[dict[str, str]]:
    async with client(place) as github:
        found: list[dict[str, str]] = (await github.read("/orgs/acme/repos?per_page=100")).body
        return found
