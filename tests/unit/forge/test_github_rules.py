import pytest

from fleetloop.forge import DeployKey, RepositoryWish, api_url_of
from fleetloop.forge.github import creation_body, highest_permission


@pytest.mark.parametrize(
    ("wish", "body"),
    [
        (RepositoryWish("o", "r", personal=False), {"name": "r", "visibility": "private", "private": True}),
        (RepositoryWish("o", "r", personal=False, private=False), {"name": "r", "visibility": "public"}),
        (RepositoryWish("o", "r", personal=True), {"name": "r", "private": True}),
        (RepositoryWish("o", "r", personal=True, private=False), {"name": "r", "private": False}),
    ],
)
def test_bs13_bs17_what_is_sent_to_create(wish: RepositoryWish, body: dict[str, object]) -> None:
    """BS13: never a default branch. BS17: no `visibility` where the published schema has none."""
    assert creation_body(wish) == body


def test_bs15_a_key_is_compared_without_comment_and_line_end() -> None:
    """BS15: a key is compared without comment and line end."""
    assert DeployKey("t", "ssh-ed25519 AAAA me@host\n").text == DeployKey("t", "ssh-ed25519 AAAA").text


@pytest.mark.parametrize(
    ("granted", "permission"),
    [
        ({"permissions": {"admin": False, "maintain": True, "push": True, "triage": True, "pull": True}}, "maintain"),
        ({"permissions": {"pull": True}}, "pull"),
        ({"permissions": {}}, None),
        (None, None),
    ],
)
def test_the_permission_a_team_has(granted: object, permission: str | None) -> None:
    assert highest_permission(granted) == permission


def test_the_api_of_a_host() -> None:
    assert api_url_of("github.com") == "https://api.github.com/"
    assert api_url_of("git.corp:8443") == "https://git.corp:8443/api/v3/"
