import base64
import hashlib
import subprocess
from pathlib import Path

import asyncssh
import pytest
from cryptography.hazmat.primitives import serialization as pem

from fleetloop.git import InvalidKey, OpenPgpSigner, SshSigner, generate_key, key_pair_of
from fleetloop.git.keys import openssh_form, read_private_key, scan_host_key
from fleetloop.git.signing import signed_commit

ALGORITHMS = [("ed25519", {}), ("ecdsa", {"ecdsa_curve": "p256"}), ("ecdsa", {}), ("ecdsa", {"ecdsa_curve": "p521"}), ("rsa", {})]


@pytest.mark.parametrize(("algorithm", "size"), ALGORITHMS)
def test_generated_keys_are_what_openssh_says(algorithm: str, size: dict[str, str], tmp_path: Path) -> None:
    pair = generate_key(algorithm, **size)  # type: ignore[arg-type]
    assert pair.identity.startswith(b"-----BEGIN PRIVATE KEY-----") and pair.identity_pub.endswith(b"\n")
    file = tmp_path / "key"
    file.write_bytes(openssh_form(pair.identity, ""))
    file.chmod(0o600)
    said = subprocess.run(["ssh-keygen", "-y", "-f", str(file)], capture_output=True, check=True).stdout
    assert said.split()[:2] == pair.identity_pub.split()[:2]
    assert key_pair_of(pair.identity) == pair


@pytest.mark.parametrize(
    "size",
    [{"algorithm": "dsa"}, {"algorithm": "rsa", "rsa_bits": 512}, {"algorithm": "ecdsa", "ecdsa_curve": "p1"}],
)
def test_unsupported_keys(size: dict[str, object]) -> None:
    with pytest.raises(InvalidKey):
        generate_key(**size)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", [pem.PrivateFormat.PKCS8, pem.PrivateFormat.OpenSSH])
def test_encrypted_key(form: pem.PrivateFormat) -> None:
    private = read_private_key(generate_key("ed25519").identity)
    locked = private.private_bytes(pem.Encoding.PEM, form, pem.BestAvailableEncryption(b"open"))
    assert b"OPENSSH" in openssh_form(locked, "open")
    for passphrase in ("", "wrong"):
        with pytest.raises(InvalidKey, match="encrypted, a correct passphrase"):
            read_private_key(locked, passphrase)


def test_passphrase_for_an_open_key_is_ignored() -> None:
    assert openssh_form(generate_key("ecdsa").identity, "unneeded")


@pytest.mark.parametrize(("algorithm", "size"), ALGORITHMS)
def test_ssh_signature_is_accepted_by_ssh_keygen(algorithm: str, size: dict[str, str], tmp_path: Path) -> None:
    pair = generate_key(algorithm, **size)  # type: ignore[arg-type]
    (tmp_path / "allowed").write_bytes(b"ada " + pair.identity_pub)
    (tmp_path / "sig").write_text(SshSigner(pair.identity).sign(b"payload"))
    verify = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "ada", "-n", "git", "-s", "sig"]
    assert subprocess.run(verify, cwd=tmp_path, input=b"payload", check=False).returncode == 0
    assert subprocess.run(verify, cwd=tmp_path, input=b"other", check=False).returncode != 0


def test_signature_goes_into_the_header() -> None:
    class Fixed:
        def sign(self, payload: bytes) -> str:
            return f"-----\n{hashlib.sha1(payload).hexdigest()}\n-----\n"

    raw = signed_commit(b"tree x\n", b"message", Fixed())
    digest = hashlib.sha1(b"tree x\n\nmessage").hexdigest().encode()
    assert raw == b"tree x\ngpgsig -----\n " + digest + b"\n -----\n\nmessage"


def gpg(home: Path, *arguments: str) -> bytes:
    options = ["--batch", "--pinentry-mode", "loopback", "--passphrase", "open"]
    done = subprocess.run(["gpg", "--homedir", str(home), *options, *arguments], capture_output=True, check=True)
    return done.stdout


def test_pgp_signature_with_a_key_of_gpg(tmp_path: Path) -> None:
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    gpg(home, "--quick-generate-key", "Ada <ada@example.com>", "ed25519", "sign", "never")
    ring, public = gpg(home, "--export-secret-keys"), gpg(home, "--export")
    listing = gpg(home, "--list-keys", "--with-colons").decode()
    key_id = next(line.split(":")[4] for line in listing.splitlines() if line.startswith("pub"))
    for wanted in ("", key_id, "0x" + key_id):
        (tmp_path / "sig").write_text(OpenPgpSigner(ring, wanted, "open").sign(b"payload"))
        (tmp_path / "payload").write_bytes(b"payload")
        gpg(home, "--verify", str(tmp_path / "sig"), str(tmp_path / "payload"))
    for arguments, message in [
        ((b"",), "empty GPG key ring"),
        ((b"rubbish",), "unable to read GPG key ring"),
        ((ring, "12"), "invalid GPG key id length; expected 16, got 2"),
        ((ring, "0" * 16), "no GPG keyring matching key id '0000000000000000' found"),
        ((ring, "", "wrong"), "unable to decrypt GPG private key"),
        ((public,), "keyring does not contain a private key; export"),
        ((public, key_id), f"keyring does not contain private key for key id '{key_id.lower()}'"),
    ]:
        with pytest.raises(InvalidKey, match=message) as caught:
            OpenPgpSigner(*arguments)
        assert "\n" not in str(caught.value)


def test_public_line_is_an_authorized_key() -> None:
    kind, encoded = generate_key("ecdsa").identity_pub.split()
    assert kind == b"ecdsa-sha2-nistp384" and base64.b64decode(encoded)


async def test_the_host_key_of_an_ipv6_address() -> None:
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen("::1", 0, server_host_keys=[host_key]) as server:
        line = await scan_host_key("[::1]", server.get_port())
        shown = host_key.export_public_key().decode().strip()
        assert line.decode() == f"[::1]:{server.get_port()} {shown}"
