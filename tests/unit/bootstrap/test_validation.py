"""Texts of bootstrap.md section 2."""

from collections.abc import Callable

import pytest

from fleetloop import __version__
from fleetloop.bootstrap.errors import InvalidPlan
from fleetloop.bootstrap.validation import (
    DEFAULT,
    SigningFlags,
    check_namespace,
    check_required,
    check_version,
    components_of,
    ecdsa_curve,
    key_algorithm,
    log_level,
    registry_credentials,
    rsa_bits,
)


def test_bs3_a_registry_password_may_hold_colons() -> None:
    """BS3: a registry password may hold colons."""
    found = registry_credentials("bot:a:b:c", "pull")
    assert found is not None and (found.username, found.password) == ("bot", "a:b:c")
    assert "a:b:c" not in repr(found)


def test_registry_credentials_that_cannot_work() -> None:
    with pytest.raises(InvalidPlan, match="--registry-creds requires --image-pull-secret to be set"):
        registry_credentials("a:b", "")
    with pytest.raises(InvalidPlan, match="invalid --registry-creds format, expected 'user:password'"):
        registry_credentials("a", "pull")
    assert registry_credentials("", "") is None


def test_bs4_a_component_in_both_lists_counts_once() -> None:
    """BS4: a component in both lists counts once."""
    assert components_of(DEFAULT, ["helm-controller", "source-watcher"]) == (*DEFAULT, "source-watcher")


def test_components_that_cannot_work() -> None:
    with pytest.raises(InvalidPlan, match="component nope is not available"):
        components_of(["nope"], [])
    with pytest.raises(InvalidPlan, match="component kustomize-controller is required"):
        check_required(["source-controller"])


def test_a_namespace_is_a_dns_label() -> None:
    check_namespace("flux-system")
    with pytest.raises(InvalidPlan, match='namespace must be a valid DNS label: "Bad_NS"'):
        check_namespace("Bad_NS")


@pytest.mark.parametrize("wanted", ["", "latest", f"v{__version__}"])
def test_our_own_version_is_the_one_there_is(wanted: str) -> None:
    assert check_version(wanted) == f"v{__version__}"


def test_other_versions() -> None:
    with pytest.raises(InvalidPlan, match=r"targeted version '1.2.3' must be prefixed with 'v'"):
        check_version("1.2.3")
    with pytest.raises(InvalidPlan, match=r"targeted version 'v9.9.9' is not compatible with your current version"):
        check_version("v9.9.9")


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (log_level, "loud", "unsupported log level 'loud', must be one of: debug, info, error"),
        (log_level, " ", "no log level given, must be one of: debug, info, error"),
        (key_algorithm, "dsa", "unsupported public key algorithm 'dsa', must be one of: rsa, ecdsa, ed25519"),
        (ecdsa_curve, "p1", "unsupported curve 'p1', must be one of: p256, p384, p521"),
        (rsa_bits, "512", "RSA key bit size must be at least 1024"),
        (rsa_bits, "1025", "RSA key bit size must be a multiples of 8"),
        (rsa_bits, "many", 'strconv.Atoi: parsing "many": invalid syntax'),
    ],
)
def test_flag_values(parse: Callable[[str], object], text: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse(text)
    assert str(refused.value) == message


REUSE = "'bootstrap github'; that subcommand generates the SSH transport key in-process and has no operator-supplied key to reuse"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            SigningFlags(gpg_key_id="1", ssh_key_file="k"),
            "--gpg-* and --ssh-signing-* are mutually exclusive; pick one signing format",
        ),
        (
            SigningFlags(ssh_key_file="k", ssh_reuse_private_key=True),
            "--ssh-signing-key-file and --ssh-signing-reuse-private-key are mutually exclusive",
        ),
        (SigningFlags(ssh_reuse_private_key=True), "--ssh-signing-reuse-private-key requires --private-key-file"),
        (
            SigningFlags(ssh_key_file="k", ssh_password="a", ssh_passphrase="b"),
            "--ssh-signing-password and --ssh-signing-passphrase are aliases; do not pass both",
        ),
        (SigningFlags(ssh_password="a"), "--ssh-signing-password requires --ssh-signing-key-file"),
    ],
)
def test_signing_flags_that_contradict(flags: SigningFlags, message: str) -> None:
    with pytest.raises(InvalidPlan) as refused:
        flags.check()
    assert str(refused.value) == message


def test_a_forge_has_no_key_to_reuse() -> None:
    with pytest.raises(InvalidPlan) as refused:
        SigningFlags(ssh_reuse_private_key=True, private_key_file="k").check(generates_key="github")
    assert str(refused.value) == f"--ssh-signing-reuse-private-key is not supported by {REUSE}"
