import base64
from pathlib import Path

import pytest

from fleetloop.git import AuthenticationFailed, Credentials, Git, GitUrl, Proxy, SshAlgorithms, generate_key
from fleetloop.git.credentials import OPENSSH_CHOICE, access_of
from fleetloop.git.program import environment_of

HOME = Path("/home/x y")
HTTPS = GitUrl.parse("https://host:8443/r")
SSH = GitUrl.parse("ssh://host/r")


def basic(text: str) -> str:
    return "Authorization: Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("url", "credentials", "header"),
    [
        (HTTPS, Credentials("ada", "pw"), basic("ada:pw")),
        (HTTPS, Credentials("ada", "pw", bearer_token="t"), "Authorization: Bearer t"),
        (GitUrl.parse("https://u:p@host:8443/r"), Credentials(), basic("u:p")),
        (GitUrl.parse("https://u:p@host:8443/r"), Credentials("ada", "pw"), basic("ada:pw")),
    ],
)
def test_http_header_is_bound_to_the_host(url: GitUrl, credentials: Credentials, header: str) -> None:
    config = dict(access_of(url, credentials, HOME, OPENSSH_CHOICE).config)
    assert config == {"http.https://host:8443/.extraHeader": header, "http.followRedirects": "false"}


def test_anonymous_http_may_be_redirected() -> None:
    assert access_of(HTTPS, Credentials(), HOME, OPENSSH_CHOICE).config == ()


def test_tls_and_proxy() -> None:
    credentials = Credentials(ca=b"CA", client_cert=b"C", client_key=b"K", proxy=Proxy("http://p:1", "u", "p@ss/"))
    access = access_of(HTTPS, credentials, HOME, OPENSSH_CHOICE)
    config, files = dict(access.config), dict(access.files)
    assert config["http.proxy"] == "http://u:p%40ss%2F@p:1"
    assert config["http.https://host:8443/.sslCAInfo"] == "/home/x y/ca.pem"
    assert files["ca.pem"].endswith(b"CA") and files["tls.key"] == b"K"


def test_token_cannot_add_a_header() -> None:
    with pytest.raises(AuthenticationFailed, match="control character"):
        access_of(HTTPS, Credentials(bearer_token="a\nHost: b"), HOME, OPENSSH_CHOICE)


@pytest.mark.parametrize(
    ("credentials", "message"),
    [
        (Credentials(), "'identity' is required"),
        (Credentials(identity=b"x"), "'known_hosts' is required"),
        (Credentials(identity=b"x", known_hosts=b"h k"), "not a private key"),
        (Credentials(identity=b"x", known_hosts=b"h k", proxy=Proxy("http://p:1")), "invalid proxy"),
    ],
)
def test_ssh_refusals(credentials: Credentials, message: str) -> None:
    with pytest.raises(AuthenticationFailed, match=message):
        access_of(SSH, credentials, HOME, OPENSSH_CHOICE)


def test_ssh_is_strict_and_quoted() -> None:
    credentials = Credentials(identity=generate_key("ed25519").identity, known_hosts=b"host ssh-ed25519 AAAA\n\n")
    access = access_of(SSH, credentials, HOME, SshAlgorithms("curve25519-sha256", "ssh-ed25519"))
    assert dict(access.variables)["GIT_SSH_COMMAND"] == "ssh -F '/home/x y/ssh_config'"
    config = dict(access.files)["ssh_config"].decode()
    assert "StrictHostKeyChecking yes" in config and 'IdentityFile "/home/x y/identity"' in config
    assert "KexAlgorithms curve25519-sha256" in config and "HostKeyAlgorithms ssh-ed25519" in config
    assert dict(access.files)["known_hosts"] == b"host ssh-ed25519 AAAA\n"


def test_ssh_algorithms_are_names() -> None:
    with pytest.raises(ValueError, match="algorithm names"):
        SshAlgorithms("x\nProxyCommand evil")


def test_environment_starts_from_nothing() -> None:
    git = Git.inheriting({"PATH": "/bin", "HTTPS_PROXY": "http://p", "GITHUB_TOKEN": "s3cret", "no_proxy": "x"})
    environment = environment_of(git, HOME, access_of(HTTPS, Credentials(), HOME, OPENSSH_CHOICE))
    assert {"PATH", "HTTPS_PROXY", "no_proxy"} <= environment.keys() and "GITHUB_TOKEN" not in environment
    assert environment["GIT_ALLOW_PROTOCOL"] == "http:https:ssh"
    assert (environment["HOME"], environment["GIT_TERMINAL_PROMPT"]) == (str(HOME), "0")
