"""`create secret`: what is printed, and what is in the cluster afterwards."""

import base64
import datetime
import hashlib
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fleetloop.api.yaml import load_all
from fleetloop.kube import ObjectRef
from tests.e2e.cli.conftest import Space
from tests.kit.cli import Finished, run_cli

HTTPS = "--url=https://git.example.com/apps"


def created(*words: str) -> Finished:
    return run_cli(["create", "secret", *words, "--export", "-n", "demo"], {"KUBECONFIG": "/dev/null"})


def content(*words: str) -> dict[str, Any]:
    done = created(*words)
    assert done.code == 0, done.errors
    return next(document for document in load_all(done.output) if document)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """client.crt and client.key, which belong together, and other.key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(1))
    (tmp_path / "client.crt").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    for file, private in (("client.key", key), ("other.key", ec.generate_private_key(ec.SECP256R1()))):
        (tmp_path / file).write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return tmp_path


def test_git_over_https(certificates: Path) -> None:
    """⚠ CLI7: an empty line follows."""
    done = created("git", "ab", HTTPS, "--username=me", "--password=p", "--label=a=b")
    text = "---\napiVersion: v1\nkind: Secret\nmetadata:\n  labels:\n    a: b\n  name: ab\n  namespace: demo\nstringData:\n"
    assert done == Finished(f"{text}  password: p\n  username: me\n\n", "", 0)
    found = content("git", "ab", HTTPS, "--bearer-token=t", f"--ca-crt-file={certificates}/client.crt")
    assert found["stringData"].keys() == {"bearerToken", "ca.crt"}
    assert "type" not in found


def test_tls(certificates: Path) -> None:
    crt, key = f"--tls-crt-file={certificates}/client.crt", f"--tls-key-file={certificates}/client.key"
    ca = f"--ca-crt-file={certificates}/client.crt"
    assert content("tls", "ab", crt, key)["type"] == "kubernetes.io/tls"
    assert content("tls", "ab", ca)["type"] == "Opaque"
    other = created("tls", "ab", crt, f"--tls-key-file={certificates}/other.key")
    assert other.errors == "✗ invalid TLS certificate and key pair: the private key does not match the certificate\n"


def test_helm(certificates: Path) -> None:
    """⚠ CLI20: a client certificate wins over a user."""
    user = ("--username=me", "--password=p")
    pair = (f"--tls-crt-file={certificates}/client.crt", f"--tls-key-file={certificates}/client.key")
    assert content("helm", "ab", *user, *pair)["stringData"].keys() == {"tls.crt", "tls.key"}
    with_ca = content("helm", "ab", *user, f"--ca-crt-file={certificates}/client.crt")
    assert with_ca["type"] == "kubernetes.io/basic-auth"
    assert with_ca["stringData"].keys() == {"username", "password", "ca.crt"}
    assert "stringData" not in content("helm", "ab")


def test_oci() -> None:
    found = content("oci", "ab", "--url=r.example.com", "--username=me", "--password=p")
    auth = base64.b64encode(b"me:p").decode()
    lines = ("{", '  "auths": {', '    "r.example.com": {', '      "username": "me",', '      "password": "p",')
    text = "\n".join((*lines, f'      "auth": "{auth}"', "    }", "  }", "}"))
    assert found["stringData"] == {".dockerconfigjson": text}
    assert found["type"] == "kubernetes.io/dockerconfigjson"


def test_proxy() -> None:
    found = content("proxy", "ab", "--address=http://p:1", "--username=me")
    assert (found["stringData"], found["type"]) == ({"address": "http://p:1", "username": "me"}, "Opaque")


def test_receiver() -> None:
    found = content("receiver", "hook", "--type=gcr", "--hostname=h.example.com", "--token=t", "--email-claim=e")
    url = f"https://h.example.com/hook/{hashlib.sha256(b'thookdemo').hexdigest()}"
    assert found["stringData"] == {"token": "t", "email": "e", "audience": url}
    assert found["metadata"]["annotations"] == {"notification.toolkit.fluxcd.io/webhook": url}
    assert len(content("receiver", "hook", "--type=github", "--hostname=h")["stringData"]["token"]) == 64


def test_github_app(certificates: Path) -> None:
    key = f"--app-private-key={certificates}/client.key"
    found = content("githubapp", "app", "--app-id=1", "--app-installation-id=2", key)
    assert found["stringData"].keys() == {"githubAppID", "githubAppInstallationID", "githubAppPrivateKey"}
    assert created("githubapp", "app", key, "--app-id=1").code == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("git",), "name is required"),
        (("git", "ab"), "url is required"),
        (("git", "ab", "--url=ftp://h/x"), "git URL scheme 'ftp' not supported, can be: ssh, http and https"),
        (("git", "ab", HTTPS, "-u=me"), "for Git over HTTP/S the username and password, or a bearer token is required"),
        (("git", "ab", HTTPS, "-u=me", "--bearer-token=t"), "user credentials and bearer token cannot be used together"),
        (
            ("git", "ab", HTTPS, "--bearer-token=t", "--ca-crt-file=nope"),
            "unable to read TLS CA file: open nope: no such file or directory",
        ),
        (("tls", "ab"), "no CA certificate or client certificate pair found"),
        (("tls", "ab", "--tls-crt-file=x"), "found certificate but missing private key"),
        (("tls", "ab", "--tls-key-file=x"), "found private key but missing certificate"),
        (("helm", "ab", "-u=me"), "password is required"),
        (("helm", "ab", "-p=x"), "username is required"),
        (("oci", "ab"), "--url is required"),
        (("oci", "ab", "--url=https://r", "-u=a", "-p=b"), "error parsing url: 'https://r'"),
        (("proxy", "ab"), "address is required"),
        (("receiver", "ab", "--type=gcr", "--hostname=h"), "--email-claim is required for gcr receiver type"),
        (("receiver", "ab"), "--type is required"),
        (("git", "ab", "--url=ssh://git@127.0.0.1:1/x"), "SSH key scan for host 127.0.0.1 failed, error: "),
    ],
)
def test_refusals(words: tuple[str, ...], message: str) -> None:
    done = created(*words)
    assert (done.output, done.code) == ("", 1)
    assert done.errors.startswith(f"✗ {message}")


async def test_git_over_ssh(space: Space, tmp_path: Path) -> None:
    """The server's key is fetched; a key is made, and its public half shown."""
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    async with asyncssh.listen("127.0.0.1", 0, server_host_keys=[host_key]) as server:
        port = server.get_port()
        url = f"--url=ssh://git@127.0.0.1:{port}/apps"
        done = await space.cli("create", "secret", "git", "ab", url, "--ssh-key-algorithm=ed25519", f"--namespace={space.name}")
    assert done.code == 0, done.errors
    data = (await space.kube.get(ObjectRef("v1", "Secret", space.name, "ab")))["data"]
    found = {key: base64.b64decode(value).decode() for key, value in data.items()}
    assert found.keys() == {"identity", "identity.pub", "known_hosts"}
    public = " ".join(host_key.export_public_key("openssh").decode().split()[:2])
    assert found["known_hosts"] == f"[127.0.0.1]:{port} {public}"
    assert found["identity"].startswith("-----BEGIN PRIVATE KEY-----")
    assert f"✚ deploy key: {found['identity.pub']}" in done.errors
    assert "PRIVATE" not in done.errors + done.output


async def test_in_a_cluster(space: Space) -> None:
    """⚠ CLI19: keys that are not mentioned stay, and labels are added to."""
    words = ("create", "secret", "git", "ab", HTTPS, f"--namespace={space.name}")
    line = f"► git secret 'ab' created in '{space.name}' namespace\n"
    assert await space.cli(*words, "--username=me", "--password=p", "--label=a=b") == Finished("", line, 0)
    assert await space.cli(*words, "--bearer-token=t", "--label=c=d") == Finished("", line, 0)
    secret = await space.kube.get(ObjectRef("v1", "Secret", space.name, "ab"))
    assert secret["data"].keys() == {"username", "password", "bearerToken"}
    assert secret["metadata"]["labels"] == {"a": "b", "c": "d"}
    assert secret["type"] == "Opaque"
