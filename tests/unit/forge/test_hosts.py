import pytest

from fleetloop.forge import GitHub, InvalidHost
from fleetloop.forge.hosts import domain_of

# bootstrap.md section 5.1


@pytest.mark.parametrize(
    "host",
    ["github.com", "httpd.corp", "10.0.0.5:8443", "localhost:8443", "git.corp.", "[2001:db8::1]:8443", "my_host"],
)
def test_bs23_bs24_hosts_that_the_peer_misreads_are_taken(host: str) -> None:
    """BS23: `http` inside a name is no scheme. BS24: a leading digit with a port is a host, not a crash."""
    assert domain_of(host) == host


@pytest.mark.parametrize("host", ["http://h", "https://h:8443", "h/path", "user@h", "", "h:port", "h:0", "-h", "a b"])
def test_bs25_anything_but_host_and_port_is_refused(host: str) -> None:
    """BS25: so that no scheme reaches the key scan, and no path the API."""
    with pytest.raises(InvalidHost, match="expected host or host:port"):
        domain_of(host)


def test_a_forge_checks_its_host() -> None:
    with pytest.raises(InvalidHost):
        GitHub(None, "https://h")  # type: ignore[arg-type]
