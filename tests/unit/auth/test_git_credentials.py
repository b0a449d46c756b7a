import dataclasses

import pytest

from fleetloop import git
from fleetloop.auth import GitAccess, InvalidSecret, ProxyAccess, git_access, has_github_app, proxy_access

SSH = {"identity": b"key", "known_hosts": b"host ssh-ed25519 AAAA", "password": b"open"}


@pytest.mark.parametrize(
    ("data", "scheme", "expected"),
    [
        ({}, "https", GitAccess()),
        ({"username": b"ada", "password": b"pw"}, "http", GitAccess("ada", "pw")),
        ({"username": b"ada", "password": b"pw", "bearerToken": b"t"}, "https", GitAccess(bearer_token="t")),
        ({"ca.crt": b"new", "caFile": b"old"}, "https", GitAccess(ca=b"new")),
        ({"caFile": b"old", "certFile": b"c", "keyFile": b"k"}, "https", GitAccess(ca=b"old")),
        ({"tls.crt": b"c", "tls.key": b"k"}, "https", GitAccess(client_cert=b"c", client_key=b"k")),
        (SSH, "ssh", GitAccess(identity=b"key", passphrase="open", known_hosts=SSH["known_hosts"])),
        (SSH | {"username": b"ada", "password": b""}, "ssh", GitAccess(identity=b"key", known_hosts=SSH["known_hosts"])),
    ],
)
def test_git_access(data: dict[str, bytes], scheme: str, expected: GitAccess) -> None:
    assert git_access(data, scheme) == expected


@pytest.mark.parametrize(
    ("data", "in_url", "message"),
    [
        ({"password": b"s3cret"}, False, "'username' is required"),
        ({"bearerToken": b"s3cret"}, True, "basic auth and bearer token cannot be set at the same time"),
        ({"tls.crt": b"s3cret"}, False, "required together"),
        ({"username": b"\xffs3cret"}, False, "'username' is not UTF-8"),
    ],
)
def test_refusals_show_no_value(data: dict[str, bytes], in_url: bool, message: str) -> None:
    with pytest.raises(InvalidSecret, match=message) as caught:
        git_access(data, "https", in_url)
    assert "s3cret" not in str(caught.value)


def test_values_are_not_printed() -> None:
    access = git_access({"username": b"ada", "password": b"s3cret", "tls.crt": b"c", "tls.key": b"s3cret"}, "https")
    assert "s3cret" not in repr(access)


def test_the_git_tool_takes_it_field_for_field() -> None:
    names = {field.name for field in dataclasses.fields(GitAccess)}
    assert names == {field.name for field in dataclasses.fields(git.Credentials)} - {"proxy", "agent"}
    assert {f.name for f in dataclasses.fields(ProxyAccess)} == {f.name for f in dataclasses.fields(git.Proxy)}


def test_github_app() -> None:
    assert has_github_app({"githubAppID": b"1"}) and not has_github_app({"githubAppID": b"", "username": b"x"})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"address": b"http://proxy:3128\n"}, ProxyAccess("http://proxy:3128")),
        ({"address": b"socks5://[::1]:1080"}, ProxyAccess("socks5://[::1]:1080")),
        ({"address": b"https://p", "username": b"u", "password": b"w"}, ProxyAccess("https://p", "u", "w")),
        ({"address": b"http://u:w@p:1"}, ProxyAccess("http://p:1", "u", "w")),
    ],
)
def test_proxy(data: dict[str, bytes], expected: ProxyAccess) -> None:
    assert proxy_access(data) == expected


@pytest.mark.parametrize(
    "address", [b"", b"proxy:3128", b"ftp://p", b"http://", b"http://p:x", b"http://a b", b"http://" + b"x" * 2048]
)
def test_bad_proxy(address: bytes) -> None:
    with pytest.raises(InvalidSecret, match="'address'"):
        proxy_access({"address": address})


def test_user_info_in_a_proxy_address() -> None:
    found = proxy_access({"address": b"http://ada:p%40ss@proxy:3128"})
    assert (found.address, found.username, found.password) == ("http://proxy:3128", "ada", "p@ss")
