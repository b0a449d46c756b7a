"""What the flags of `bootstrap gitea|gitlab|bitbucket-server` come to."""

from typing import Any, TypeVar

from fleetloop.bootstrap.plan import Plan, TeamGrant
from fleetloop.bootstrap.secret import BasicAuth, GeneratedKey, SshHost
from fleetloop.cli.bootstrap_gitea import Gitea
from fleetloop.cli.command import Command, build, shape_of
from fleetloop.cli.goflags import parse_flags

C = TypeVar("C", bound=Command)
HERE = ("--owner=acme", "--repository=fleet", "--path=clusters/x")


def parsed(command: type[C], *words: str) -> C:
    values: dict[str, Any] = {}
    parse_flags([*HERE, *words], shape_of(command).flags, values, stop_at_argument=False)
    made: C = build(command, values, ())
    made.check()
    return made


def gitea(*words: str) -> Plan:
    return parsed(Gitea, *words).plan("flux-system", "t0ken", 60)


def test_gitea_does_not_skip_the_question_about_another_installation() -> None:
    """BS6: it is skipped with --force alone."""
    assert not gitea().overrides
    assert gitea("--force").overrides


def test_gitea_reads_by_a_key_unless_told_otherwise() -> None:
    plan = gitea("--hostname=git.corp:8443", "--team=ops:admin")
    assert str(plan.remote) == "https://git.corp:8443/acme/fleet.git"
    assert plan.sync.url == "ssh://git@git.corp/acme/fleet"
    assert plan.secret.access == GeneratedKey(SshHost("git.corp"))
    assert (plan.credentials.username, plan.credentials.password) == ("acme", "t0ken")
    assert plan.target
    assert plan.target.grants == (TeamGrant("ops", "admin"),)
    assert plan.target.repository.web_url == "https://git.corp:8443/acme/fleet"


def test_gitea_reads_with_the_token() -> None:
    plan = gitea("--token-auth")
    assert plan.sync.url == "https://gitea.com/acme/fleet.git"
    assert plan.secret.access == BasicAuth("git", "t0ken")
