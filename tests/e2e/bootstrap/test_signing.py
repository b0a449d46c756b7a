"""Signed commits, verified by git itself with gpg and ssh-keygen."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.bootstrap.place import SMALL, Place

pytestmark = pytest.mark.asyncio(loop_scope="session")


def ran(*command: str, **environment: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def verified(place: Place, name: str, folder: Path, *config: str, **environment: str) -> None:
    """Every commit of the branch has a good signature."""
    clone = folder / "clone"
    clone.mkdir()
    await place.forge.git("clone", "--quiet", place.forge.clone_url("acme", name), ".", cwd=clone, token=place.token)
    commits = ran("git", "-C", str(clone), "rev-list", "HEAD").split()
    assert len(commits) == 2
    options = [part for setting in config for part in ("-c", setting)]
    ran("git", "-C", str(clone), *options, "verify-commit", *commits, **environment)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
async def test_an_ssh_signature(followed: Place, tmp_path: Path, kind: str) -> None:
    place, name = followed, followed.name()
    ran("ssh-keygen", "-q", "-t", kind, "-N", "open sesame", "-f", str(tmp_path / "key"))
    signing = (f"--ssh-signing-key-file={tmp_path / 'key'}", "--ssh-signing-password=open sesame")
    done = await place.run(*place.github(name, SMALL, *signing, "--author-email=bot@acme.example"))
    assert done.code == 0, done.errors
    signers = tmp_path / "signers"
    signers.write_text(f'bot@acme.example namespaces="git" {(tmp_path / "key.pub").read_text()}')
    await verified(place, name, tmp_path, "gpg.format=ssh", f"gpg.ssh.allowedSignersFile={signers}")


async def test_an_openpgp_signature_with_the_key_that_was_chosen(followed: Place, tmp_path: Path) -> None:
    place, name = followed, followed.name()
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ("gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase=open sesame")
    for who in ("other@acme.example", "bot@acme.example"):
        ran(*gpg, "--quick-generate-key", who, "ed25519", "sign")
    ring = tmp_path / "ring"
    ran(*gpg, "--output", str(ring), "--export-secret-keys")
    listing = ran("gpg", "--homedir", str(home), "--batch", "--with-colons", "--list-keys", "bot@acme.example")
    key_id = next(line.split(":")[4] for line in listing.splitlines() if line.startswith("pub:"))
    signing = (f"--gpg-key-ring={ring}", f"--gpg-key-id=0x{key_id}", "--gpg-passphrase=open sesame")
    done = await place.run(*place.github(name, SMALL, *signing))
    assert done.code == 0, done.errors
    await verified(place, name, tmp_path, GNUPGHOME=str(home))
    ran("gpgconf", "--homedir", str(home), "--kill", "gpg-agent")
    raw = await place.forge.admin.raw_commit("acme", name, "main")
    assert b"-----BEGIN PGP SIGNATURE-----" in raw


@pytest.mark.parametrize("passphrase", ["", "open sesame"])
async def test_the_transport_key_signs_too(followed: Place, tmp_path: Path, passphrase: str) -> None:
    place, name = followed, followed.name()
    ran("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(tmp_path / "key"))
    await place.forge.admin.create_repository("acme", name)
    await place.forge.admin.add_user_key("ada", (tmp_path / "key.pub").read_text().strip(), name)
    words = ("bootstrap", "git", f"--url={place.forge.ssh_url}/acme/{name}.git", f"--namespace={name}", "--timeout=90s", SMALL)
    more = (f"--private-key-file={tmp_path / 'key'}", "--ssh-signing-reuse-private-key", "--author-email=bot@acme.example")
    done = await place.run(*words, *more, GIT_PASSWORD=passphrase)
    assert done.code == 0, done.errors
    signers = tmp_path / "signers"
    signers.write_text(f"bot@acme.example {(tmp_path / 'key.pub').read_text()}")
    await verified(place, name, tmp_path, "gpg.format=ssh", f"gpg.ssh.allowedSignersFile={signers}")


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        (b"nonsense", ["--ssh-signing-key-file={file}"], "invalid SSH signing key: identity is not a private key we can read"),
        (None, ["--ssh-signing-key-file={file}"], "failed to read SSH signing key file: open {file}: no such file or directory"),
        (None, ["--gpg-key-ring={file}"], "unable to open GPG key ring: open {file}: no such file or directory"),
        (b"", ["--gpg-key-ring={file}"], "invalid GPG signing key: empty GPG key ring"),
        (
            b"",
            ["--gpg-key-ring={file}", "--gpg-key-id=12"],
            "invalid GPG signing key: invalid GPG key id length; expected 16, got 2",
        ),
    ],
)
async def test_keys_that_cannot_sign(place: Place, tmp_path: Path, content: bytes | None, more: list[str], message: str) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    done = await place.run(*place.github("never", *(word.format(file=file) for word in more)))
    assert done.lines == [f"✗ {message.format(file=file)}"]
