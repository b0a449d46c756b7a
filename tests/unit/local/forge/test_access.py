"""The decision table of rights; the same rules are tried end to end in tests/contract/local_forge."""

import pytest

from fleetloop.local.forge.access import Caller, Need, Verdict, judge, need, need_any, role_on
from fleetloop.local.forge.model import Account, Repository, Role, State, Team, Token

NOW = "2026-01-01T00:00:00Z"
READ = need(("contents", "read"), role=Role.PULL)
PUSH = need(("contents", "write"), role=Role.PUSH)
ADMIN = need(("administration", "write"), role=Role.ADMIN)


def person(login: str) -> Account:
    return Account(1, login, "User", login, f"{login}@x", NOW)


def world(private: bool = True) -> tuple[State, Repository]:
    org = Account(9, "Acme", "Organization", "Acme", "", NOW, members={"ann": "admin", "bob": "member"})
    team = Team(8, "Acme", "platform", "Platform", "", "pull", NOW, members=["carl"])
    repository = Repository(7, "Acme", "Fleet", private, None, "main", NOW, NOW, NOW)
    repository.collaborators = {"dora": "triage"}
    repository.teams = {"platform": "maintain"}
    people = {login: person(login) for login in ("ann", "bob", "carl", "dora", "eve")}
    state = State(accounts={"acme": org, **people}, teams={"acme/platform": team})
    state.repositories["acme/fleet"] = repository
    return state, repository


def fine(user: str, owner: str = "acme", repositories: list[str] | None = None, /, **permissions: str) -> Caller:
    return Caller(person(user), Token(1, user, "", NOW, None, owner, repositories, permissions))


def classic(user: str, *scopes: str) -> Caller:
    return Caller(person(user), Token(1, user, "", NOW, scopes=list(scopes)))


@pytest.mark.parametrize(
    ("login", "role"),
    [("ann", Role.ADMIN), ("bob", Role.PULL), ("carl", Role.MAINTAIN), ("dora", Role.TRIAGE), ("eve", Role.NONE)],
)
def test_roles(login: str, role: Role) -> None:
    state, repository = world()
    assert role_on(state, login, repository) == role


PRIVATE = [
    (None, READ, Verdict.INVISIBLE),
    (fine("ann", contents="write"), PUSH, Verdict.GRANTED),
    (fine("ann", contents="read"), PUSH, Verdict.TOKEN_LACKS),
    (fine("ann", contents="read"), READ, Verdict.GRANTED),
    (fine("ann", administration="write"), READ, Verdict.TOKEN_LACKS),
    (fine("ann", "acme", ["FLEET"], contents="write"), PUSH, Verdict.GRANTED),
    (fine("ann", "acme", ["other"], contents="write"), PUSH, Verdict.INVISIBLE),
    (fine("ann", "ann", contents="write"), PUSH, Verdict.INVISIBLE),
    (fine("bob", contents="write"), PUSH, Verdict.ROLE_LACKS),
    (fine("bob", administration="write"), ADMIN, Verdict.ROLE_LACKS),
    (fine("eve", contents="write"), READ, Verdict.INVISIBLE),
    (fine("carl", contents="write"), PUSH, Verdict.GRANTED),
    (classic("ann", "repo"), ADMIN, Verdict.GRANTED),
    (classic("ann", "public_repo"), READ, Verdict.INVISIBLE),
    (classic("ann"), READ, Verdict.INVISIBLE),
    (Caller(person("ann"), None), ADMIN, Verdict.GRANTED),
    (Caller(person("dora"), None), PUSH, Verdict.ROLE_LACKS),
]
PUBLIC = [
    (None, READ, Verdict.GRANTED),
    (None, PUSH, Verdict.ANONYMOUS),
    (fine("eve", "eve", contents="write"), READ, Verdict.GRANTED),
    (fine("eve", "eve", contents="write"), PUSH, Verdict.TOKEN_LACKS),
    (classic("eve"), READ, Verdict.GRANTED),
    (classic("eve", "repo"), PUSH, Verdict.ROLE_LACKS),
    (classic("ann", "public_repo"), PUSH, Verdict.GRANTED),
    (classic("ann"), PUSH, Verdict.TOKEN_LACKS),
]


@pytest.mark.parametrize(("caller", "asked", "verdict"), PRIVATE)
def test_private_repository(caller: Caller | None, asked: Need, verdict: Verdict) -> None:
    assert judge(*world()[:1], caller, world()[1], asked) is verdict


@pytest.mark.parametrize(("caller", "asked", "verdict"), PUBLIC)
def test_public_repository(caller: Caller | None, asked: Need, verdict: Verdict) -> None:
    state, repository = world(private=False)
    assert judge(state, caller, repository, asked) is verdict


def test_accepted_permissions_are_spelled_as_github_does() -> None:
    assert need(("members", "read"), ("administration", "write"), role=Role.ADMIN).header == "members=read,administration=write"
    assert need_any(("issues", "read"), ("pull_requests", "read"), role=Role.PULL).header == "issues=read; pull_requests=read"


@pytest.mark.parametrize("name", ["issues", "pull_requests"])
def test_any_alternative_is_enough(name: str) -> None:
    state, repository = world()
    asked = need_any(("issues", "write"), ("pull_requests", "write"), role=Role.PULL)
    assert judge(state, fine("bob", **{name: "write"}), repository, asked) is Verdict.GRANTED
    assert judge(state, fine("bob", **{name: "read"}), repository, asked) is Verdict.TOKEN_LACKS
