"""`bootstrap git`: any Git server, over SSH and HTTPS."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleetloop.git import generate_key, scan_host_key
from fleetloop.git.keys import openssh_form
from tests.e2e.bootstrap.place import SMALL, Place

pytestmark = pytest.mark.asyncio(loop_scope="session")


def words(place: Place, name: str, *more: str) -> list[str]:
    common = ("bootstrap", "git", "--path=clusters/x", f"--namespace={name}", "--timeout=90s", SMALL)
    return [*common, f"--ca-file={place.forge.ca_file}", *more]


async def given_key(place: Place, name: str, folder: Path, passphrase: str = "") -> Path:
    """A key that may push, as a person would have made it, beside the repository."""
    await place.forge.admin.create_repository("acme", name)
    pair = generate_key("ed25519")
    identity = pair.identity
    if passphrase:
        from cryptography.hazmat.primitives import serialization as pem

        private = pem.load_pem_private_key(identity, None)
        encryption = pem.BestAvailableEncryption(passphrase.encode())
        identity = private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, encryption)
    file = folder / "key"
    file.write_bytes(identity)
    await place.forge.admin.add_user_key("ada", pair.identity_pub.decode(), name)
    return file


async def test_over_ssh_with_a_key_that_has_a_passphrase(followed: Place, tmp_path: Path) -> None:
    place, name = followed, followed.name()
    key = await given_key(place, name, tmp_path, "open sesame")
    url = f"{place.forge.ssh_url}/acme/{name}.git"
    done = await place.run(*words(place, name, f"--url={url}", f"--private-key-file={key}", "--password=open sesame"))
    assert done.code == 0, done.errors
    assert done.lines[0] == f'► cloning branch "main" from Git repository "{url}"'
    assert f'► pushing sync manifests to "{url}"' in done.lines
    secret = await place.secret(name)
    assert sorted(secret) == ["identity", "identity.pub", "known_hosts", "password"]
    assert (secret["identity"], secret["password"]) == (key.read_bytes(), b"open sesame")
    assert f"  url: {url}\n" in await place.file(name, f"clusters/x/{name}/gotk-sync.yaml")
    assert "open sesame" not in done.errors


async def test_a_new_key_is_shown_and_access_is_asked_for(followed: Place) -> None:
    """BS27: cloned over HTTPS, followed over SSH, and the SSH port is the one whose key is read."""
    place, name = followed, followed.name()
    await place.forge.admin.create_repository("acme", name)
    common = words(place, name, f"--url={place.forge.url}/acme/{name}.git", "--username=ada", f"--password={place.token}")
    more = [f"--ssh-hostname={place.ssh_host}", "--ssh-key-algorithm=ed25519"]
    refused = await place.run(*common, *more)
    assert refused.lines[-1] == "✗ aborting"
    assert "? Please give the key access to your repository? [y/N] " in refused.output

    done = await place.run(*common, *more, "--silent")
    assert done.code == 0, done.errors
    shown = next(line for line in done.lines if line.startswith("✔ public key: "))
    assert shown.removeprefix("✔ public key: ") == (await place.secret(name))["identity.pub"].decode().strip()
    assert f"  url: ssh://ada@{place.ssh_host}/acme/{name}.git\n" in await place.file(name, f"clusters/x/{name}/gotk-sync.yaml")
    again = await place.run(*common, *more)
    assert "✔ source secret up to date" in again.lines
    assert again.code == 0


async def test_over_ssh_with_the_agents_key_and_a_new_one_for_the_cluster(followed: Place, tmp_path: Path) -> None:
    place, name = followed, followed.name()
    key = await given_key(place, name, tmp_path)
    key.write_bytes(openssh_form(key.read_bytes(), ""))  # ssh-add reads no other
    key.chmod(0o600)
    host, port = place.ssh_host.split(":")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").write_bytes(await scan_host_key(host, int(port)) + b"\n")
    url = f"{place.forge.ssh_url}/acme/{name}.git"
    with agent_with(key, tmp_path) as socket:
        done = await place.run(*words(place, name, f"--url={url}", "--silent"), SSH_AUTH_SOCK=socket, HOME=str(tmp_path))
    assert done.code == 0, done.errors
    assert [line for line in done.lines if line.startswith("✔ public key: ecdsa-sha2-nistp384 ")]
    assert sorted(await place.secret(name)) == ["identity", "identity.pub", "known_hosts"]
    without = await place.run(*words(place, name, f"--url={url}", "--silent"), SSH_AUTH_SOCK="")
    assert without.lines == ["✗ no SSH key to reach the repository with: give --private-key-file, or start an SSH agent"]


@contextmanager
def agent_with(key: Path, folder: Path) -> Iterator[str]:
    socket = str(folder / "agent.sock")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE)
    try:
        assert agent.stdout and agent.stdout.readline()  # it says where it listens once it does
        subprocess.run(["ssh-add", "-q", str(key)], env=os.environ | {"SSH_AUTH_SOCK": socket}, check=True)
        yield socket
    finally:
        agent.terminate()
        agent.wait()


async def test_over_https_with_a_token(followed: Place) -> None:
    place, name = followed, followed.name()
    await place.forge.admin.create_repository("acme", name)
    url = f"https://ada:secret@{place.domain}/acme/{name}.git"
    done = await place.run(*words(place, name, f"--url={url}", "--token-auth", "--username=ada"), GIT_PASSWORD=place.token)
    assert done.code == 0, done.errors
    assert sorted(await place.secret(name)) == ["ca.crt", "password", "username"]
    assert f"  url: {place.forge.url}/acme/{name}.git\n" in await place.file(name, f"clusters/x/{name}/gotk-sync.yaml")
    assert place.token not in done.errors and "secret@" not in done.errors


async def test_bs38_a_bearer_token_is_rotated_by_a_run(followed: Place) -> None:
    """BS38: a bearer token is rotated by a run."""
    place, name = followed, followed.name()
    await place.forge.admin.create_repository("acme", name)
    common = words(place, name, f"--url={place.forge.url}/acme/{name}.git", "--with-bearer-token")
    assert (await place.run(*common, GIT_PASSWORD=place.token)).code == 0
    assert (await place.secret(name))["bearerToken"] == place.token.encode()
    newer = await place.forge.admin.create_token("ada", {"contents": "write"}, owner="acme")
    assert (await place.run(*common, GIT_PASSWORD=newer)).code == 0
    assert (await place.secret(name))["bearerToken"] == newer.encode()


async def test_a_branch_that_does_not_exist(followed: Place, tmp_path: Path) -> None:
    place, name = followed, followed.name()
    await place.forge.admin.create_repository("acme", name)
    await place.forge.push_files("acme", name, {"a": "b"}, token=place.token, folder=tmp_path / "clone")
    url = f"{place.forge.url}/acme/{name}.git"
    done = await place.run(*words(place, name, f"--url={url}", "--token-auth", "--branch=nope"), GIT_PASSWORD=place.token)
    cause = f"unable to clone '{url}': couldn't find remote ref \"refs/heads/nope\""
    assert done.lines[1:] == [f"⚠️  clone failure: {cause}"] * 2 + [f"✗ failed to clone repository: {cause}"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--url=git@host:o/r"], 'failed to create authentication options for git@host:o/r: scheme "" is not supported'),
        (["--url=ftp://h/r"], 'failed to create authentication options for ftp://h/r: scheme "ftp" is not supported'),
        (
            ["--url=http://u:secret@h/r"],
            "failed to create authentication options for http://h/r: "
            "scheme http is insecure, pass --allow-insecure-http=true to allow it",
        ),
        (["--url=https://h/r", "--token-auth", "--username="], "--token-auth needs a user name: --username is empty"),
        (
            ["--url=ssh://git-codecommit.eu-west-1.amazonaws.com/v1/repos/r"],
            "invalid AWS CodeCommit url: ssh username should be specified in the url",
        ),
        (
            ["--url=ssh://APKA@git-codecommit.eu-west-1.amazonaws.com/v1/repos/r"],
            "private key file is required for bootstrapping against AWS CodeCommit using ssh",
        ),
    ],
)
async def test_bs37_addresses_and_credentials_that_cannot_work(place: Place, more: list[str], message: str) -> None:
    """BS37: no empty Secret is ever written."""
    done = await place.run("bootstrap", "git", *more, GIT_PASSWORD="p")
    assert (done.lines, done.code) == ([f"✗ {message}"], 1)
