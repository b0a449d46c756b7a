import pytest

from fleetloop.git import GitUrl, InvalidUrl


@pytest.mark.parametrize(
    ("text", "shown", "origin", "user"),
    [
        ("https://github.com/o/r.git", "https://github.com/o/r.git", "https://github.com", ""),
        ("https://ada:s3cret@host:8443/o/r", "https://host:8443/o/r", "https://host:8443", "ada"),
        ("ssh://git@host/o/r", "ssh://git@host/o/r", "ssh://host", "git"),
        ("ssh://host:2222/o/r", "ssh://git@host:2222/o/r", "ssh://host:2222", "git"),
        ("http://[::1]:80/r", "http://[::1]:80/r", "http://[::1]:80", ""),
        ("https://h/a%20b?x=1", "https://h/a%20b?x=1", "https://h", ""),
    ],
)
def test_parse(text: str, shown: str, origin: str, user: str) -> None:
    url = GitUrl.parse(text)
    assert (str(url), url.origin, url.username) == (shown, origin, user)
    assert "s3cret" not in repr(url)


@pytest.mark.parametrize(
    "text",
    [
        "git@github.com:o/r.git",
        "file:///etc",
        "git://host/r",
        "ext::sh -c x",
        "https://",
        "https:///path",
        "https://-oProxyCommand=x/r",
        "ssh://-oProxyCommand=x@host/r",
        "ssh://ho st/r",
        "ssh://host/r\nx",
        "https://host:port/r",
        "https://host",
        "https://host/r#x",
        "https://ho\\st/r",
        "http://h$(id)/r",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(InvalidUrl, match=r"^invalid repository URL"):
        GitUrl.parse(text)


def test_refusal_shows_no_password() -> None:
    with pytest.raises(InvalidUrl) as caught:
        GitUrl.parse("https://ada:s3cret@ho st/r")
    assert "s3cret" not in str(caught.value)
