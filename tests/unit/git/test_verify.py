"""Signatures made by git itself, with gpg and ssh-keygen, and what must not pass for one."""

import os
import subprocess
from pathlib import Path

import pytest

from fleetloop.git import BadSignature, NotSigned, SshSigner, generate_key, is_signed_tag, verify_commit, verify_tag
from fleetloop.git.keys import openssh_form
from fleetloop.git.signing import signed_commit

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    **{f"GIT_{who}_{what}": "ada@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def run(folder: Path, *command: str) -> bytes:
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT | {"GNUPGHOME": str(folder / "gpg")}, capture_output=True, check=True
    ).stdout


def signed_objects(folder: Path, *config: str) -> tuple[bytes, bytes]:
    """A commit and a tag, raw."""
    options = [word for item in config for word in ("-c", item)]
    run(folder, "git", "init", "-q")
    run(folder, "git", *options, "commit", "-q", "--allow-empty", "-S", "-m", "subject\n\nbody")
    run(folder, "git", *options, "tag", "-s", "-m", "the tag", "v1")
    return run(folder, "git", "cat-file", "commit", "HEAD"), run(folder, "git", "cat-file", "tag", "v1")


@pytest.mark.parametrize("algorithm", ["ed25519", "ecdsa", "rsa"])
def test_ssh_signatures_of_git(tmp_path: Path, algorithm: str) -> None:
    pair, other = generate_key(algorithm), generate_key(algorithm)
    key = tmp_path / "key"
    key.write_bytes(openssh_form(pair.identity, ""))
    key.chmod(0o600)
    commit, tag = signed_objects(tmp_path, "gpg.format=ssh", f"user.signingkey={key}")
    keys = {"ada.sshpub": b"# comment\n" + other.identity_pub + b'no-pty,from="x" ' + pair.identity_pub.strip() + b" ada\n"}
    expected = run(tmp_path, "ssh-keygen", "-lf", "key").decode().split()[1]
    assert verify_commit(commit, keys) == verify_tag(tag, keys) == expected and is_signed_tag(tag)
    for keys in ({"o.sshpub": other.identity_pub}, {"ada.pub": pair.identity_pub}, {"x.sshpub": b"#" + pair.identity_pub}, {}):
        with pytest.raises(BadSignature, match="any of the given authorized keys"):
            verify_commit(commit, keys)
    for forged in (commit.replace(b"subject", b"Subject"), commit.replace(b"author", b"AUTHOR")):
        with pytest.raises(BadSignature):
            verify_commit(forged, {"ada.sshpub": pair.identity_pub})
    with pytest.raises(BadSignature):
        verify_tag(tag.replace(b"the tag", b"another"), {"ada.sshpub": pair.identity_pub})


def test_openpgp_signatures_of_git(tmp_path: Path) -> None:
    (tmp_path / "gpg").mkdir(mode=0o700)
    for name in ("Ada", "Bob"):
        make = ("--batch", "--passphrase", "", "--quick-generate-key", f"{name} <{name}@example.com>", "ed25519", "sign")
        run(tmp_path, "gpg", *make, "never")
    ada, bob = (run(tmp_path, "gpg", "--armor", "--export", f"{name}@example.com") for name in ("Ada", "Bob"))
    commit, tag = signed_objects(tmp_path, "user.signingkey=Ada@example.com")
    listing = run(tmp_path, "gpg", "--list-keys", "--with-colons", "Ada@example.com").decode()
    key_id = next(line.split(":")[4] for line in listing.splitlines() if line.startswith("pub"))
    for keys in ({"ada.asc": ada}, {"x": b"rubbish", "bob": bob, "whatever": ada}, {"binary": run(tmp_path, "gpg", "--export")}):
        assert verify_commit(commit, keys) == verify_tag(tag, keys) == key_id
    for keys in ({"bob.asc": bob}, {"ada.sshpub": ada}, {}):
        with pytest.raises(BadSignature, match="any of the given key rings"):
            verify_commit(commit, keys)
    with pytest.raises(BadSignature):
        verify_commit(commit.replace(b"body", b"BODY"), {"ada.asc": ada})


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"tree x\nauthor a\n\ngpgsig -----BEGIN PGP SIGNATURE-----\n", "empty"),  # in the message it is only words
        (b"tree x\ngpgsig -----BEGIN SIGNED MESSAGE-----\n x\n\nmessage", "x509"),
        (b"tree x\ngpgsig something\n\nmessage", "unknown"),
    ],
)
def test_not_signed(raw: bytes, kind: str) -> None:
    with pytest.raises(NotSigned, match=f"unsupported signature type: {kind}"):
        verify_commit(raw, {})


def test_two_signatures_are_one_too_many() -> None:
    pair = generate_key("ed25519")
    good = signed_commit(b"tree x\n", b"message", SshSigner(pair.identity))
    assert verify_commit(good, {"a.sshpub": pair.identity_pub}).startswith("SHA256:")
    with pytest.raises(BadSignature, match="more than one"):
        verify_commit(good.replace(b"\n\n", b"\ngpgsig x\n\n"), {"a.sshpub": pair.identity_pub})


def test_signature_for_another_namespace() -> None:
    class Other(SshSigner):
        def sign(self, payload: bytes) -> str:
            return super().sign(payload).replace("U1NIU0lH", "U1NIU0lI")

    pair = generate_key("ed25519")
    with pytest.raises(BadSignature):
        verify_commit(signed_commit(b"tree x\n", b"m", Other(pair.identity)), {"a.sshpub": pair.identity_pub})


def test_unsigned_tag() -> None:
    assert not is_signed_tag(b"") and not is_signed_tag(b"object x\n\nmessage")
    with pytest.raises(NotSigned, match="empty"):
        verify_tag(b"object x\n\nmessage", {})
