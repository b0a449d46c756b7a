"""bootstrap.md section 8."""

import json

from fleetloop.bootstrap.pull_secret import PullSecret
from fleetloop.bootstrap.secret import (
    BasicAuth,
    BearerToken,
    GeneratedKey,
    GivenKey,
    SourceSecret,
    SshHost,
    contents,
    data_of,
    public_key_of,
    secret_manifest,
)
from fleetloop.bootstrap.validation import RegistryCredentials
from fleetloop.git import KeyPair, generate_key

HOST = SshHost("github.com")
KEY = KeyPair(b"private", b"ssh-ed25519 AAAA\n")
SSH = {"identity": b"p", "identity.pub": b"q", "known_hosts": b"h"}


def test_the_keys_of_each_way() -> None:
    ssh = contents(SourceSecret(GeneratedKey(HOST)), KEY, b"github.com ssh-ed25519 AAAA\n")
    assert ssh == {
        "identity": b"private",
        "identity.pub": b"ssh-ed25519 AAAA\n",
        "known_hosts": b"github.com ssh-ed25519 AAAA",
    }
    given = contents(SourceSecret(GivenKey(HOST, b"private", "word")), KEY, b"h")
    assert given["password"] == b"word"
    token = contents(SourceSecret(BasicAuth("git", "t"), ca=b"CA"), None, b"")
    assert token == {"username": b"git", "password": b"t", "ca.crt": b"CA"}
    assert contents(SourceSecret(BearerToken("t")), None, b"") == {"bearerToken": b"t"}


def test_a_generated_key_is_kept_and_what_is_passed_in_is_written_again() -> None:
    generated = SourceSecret(GeneratedKey(HOST))
    assert generated.is_kept(SSH)
    assert not generated.is_kept(None)
    for needed in ("identity", "known_hosts"):
        assert not generated.is_kept({key: value for key, value in SSH.items() if key != needed})
    assert not SourceSecret(GivenKey(HOST, b"k")).is_kept(SSH)
    assert not SourceSecret(BasicAuth("git", "t")).is_kept({"username": b"git", "password": b"t"})


def test_a_key_somebody_else_wrote_is_kept_without_its_public_half() -> None:
    pair = generate_key("ed25519")
    secret = {"identity": pair.identity, "known_hosts": b"h"}
    assert SourceSecret(GeneratedKey(HOST)).is_kept(secret)
    assert public_key_of(secret) == pair.identity_pub
    assert public_key_of(SSH) == b"q"


def test_bs38_a_bearer_token_is_always_written() -> None:
    """BS38: a bearer token is always written."""
    assert not SourceSecret(BearerToken("new")).is_kept({"bearerToken": b"old"})


def test_bs39_a_token_secret_is_not_up_to_date_for_ssh() -> None:
    """BS39: a token secret is not up to date for ssh."""
    assert not SourceSecret(GeneratedKey(HOST)).is_kept({"username": b"git", "password": b"t"})


def test_no_secret_shows_in_a_value() -> None:
    for secret in (BasicAuth("git", "hidden"), BearerToken("hidden"), GivenKey(HOST, b"hidden", "hidden")):
        assert "hidden" not in repr(SourceSecret(secret))


def test_a_secret_goes_and_comes_back() -> None:
    manifest = secret_manifest("flux-system", "key", {"a": b"\x00b"})
    assert manifest["metadata"] == {"name": "key", "namespace": "flux-system"}
    assert data_of(manifest) == {"a": b"\x00b"}


def test_the_image_pull_secret() -> None:
    wanted = PullSecret("pull", "ghcr.io/fleetloop", RegistryCredentials("bot", "a:b"))
    (content,) = data_of(wanted.manifest("flux-system")).values()
    assert json.loads(content) == {"auths": {"ghcr.io/fleetloop": {"username": "bot", "password": "a:b", "auth": "Ym90OmE6Yg=="}}}
    assert b" " not in content
    (indented,) = data_of(wanted.manifest("flux-system", indent=2)).values()
    assert indented.startswith(b'{\n  "auths": {\n    "ghcr.io/fleetloop": {\n      "username": "bot",\n')
