import pytest

from fleetloop.forge import GitHub, InvalidHost
from fleetloop.forge.hosts import Site, domain_of, site_of

# bootstrap.md section 5.1


@pytest.mark.parametrize(
    "host",
    ["github.com", "httpd.corp", "10.0.0.5:8443", "localhost:8443", "git.corp.", "[2001:db8::1]:8443", "my_host"],
)
def test_bs23_bs24_hosts_that_the_peer_misreads_are_taken(host: str) -> None:
    """BS23: `http` inside a name is no scheme. BS24: a leading digit with a port is a host, not a crash."""
    assert domain_of(host) == host


@pytest.mark.parametrize("host", ["http://h", "https://h:8443", "h/path", "user@h", "", "h:port", "h:0", "-h", "a b", "[::1"])
def test_bs25_anything_but_host_and_port_is_refused(host: str) -> None:
    """BS25: so that no scheme reaches the key scan, and no path the API."""
    with pytest.raises(InvalidHost, match="expected host or host:port"):
        domain_of(host)


def test_a_forge_checks_its_host() -> None:
    with pytest.raises(InvalidHost):
        GitHub(None, "https://h")  # type: ignore[arg-type]


SITES = {
    "httpd.corp": Site("httpd.corp"),
    "https://httpd.corp/": Site("httpd.corp"),
    "10.0.0.5:8443": Site("10.0.0.5:8443"),
    "https://git.corp:8443/code/gitlab/": Site("git.corp:8443", "/code/gitlab"),
    "git.corp/bitbucket": Site("git.corp", "/bitbucket"),
}


@pytest.mark.parametrize("hostname", SITES)
def test_where_a_forge_lives(hostname: str) -> None:
    """BS23, BS24: GitLab, Gitea and Bitbucket Server take a scheme and a path too, by one reading."""
    assert site_of(hostname) == SITES[hostname]


@pytest.mark.parametrize(
    ("hostname", "host"), [("https://git.corp:8443/x", "git.corp"), ("[2001:db8::1]", "[2001:db8::1]"), ("h", "h")]
)
def test_the_key_scan_asks_a_host(hostname: str, host: str) -> None:
    """BS25: neither the scheme nor the HTTPS port reaches it."""
    assert site_of(hostname).host == host


@pytest.mark.parametrize(
    ("hostname", "problem"),
    [
        ("http://h", "basic auth cannot be sent over HTTP"),
        ("ssh://h", 'scheme "ssh" is not supported'),
        ("", "expected host or host:port"),
        ("user@h", "expected host or host:port"),
        ("h/a b", "the path is malformed"),
        ("h/../x?y", "the path is malformed"),
    ],
)
def test_sites_that_cannot_be(hostname: str, problem: str) -> None:
    with pytest.raises(InvalidHost, match=problem):
        site_of(hostname)
