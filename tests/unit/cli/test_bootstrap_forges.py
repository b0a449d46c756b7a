"""What the flags of `bootstrap github|gitea|gitlab|bitbucket-server` come to."""

from pathlib import Path

import pytest

from fleetloop.bootstrap.errors import InvalidPlan
from fleetloop.bootstrap.plan import ForgeTarget, Plan, TeamGrant
from fleetloop.bootstrap.secret import BasicAuth, FromDeployToken, GeneratedKey, GivenKey, SshHost
from fleetloop.cli.bootstrap import GitHub
from fleetloop.cli.bootstrap_bitbucket_server import BitbucketServer
from fleetloop.cli.bootstrap_gitea import Gitea
from fleetloop.cli.bootstrap_gitlab import GitLab
from fleetloop.cli.bootstrap_plan import github_plan
from fleetloop.cli.errors import UsageError
from fleetloop.forge import InvalidHost, Repository, RepositoryWish
from fleetloop.git import generate_key
from tests.kit.flags import parsed

HERE = ("--owner=acme", "--repository=fleet", "--path=clusters/x")


def test_github_below_a_port() -> None:
    flags = parsed(GitHub, *HERE, "--hostname=10.0.0.5:8443", "--team=ops", "--reconcile", "--read-write-key")
    plan = github_plan(flags, "flux-system", "t0ken", 60)
    assert str(plan.remote) == "https://10.0.0.5:8443/acme/fleet.git"
    assert plan.sync.url == "ssh://git@10.0.0.5/acme/fleet"
    assert plan.secret.access == GeneratedKey(SshHost("10.0.0.5"))
    assert plan.target == ForgeTarget(
        Repository("10.0.0.5:8443", "acme", "fleet"),
        RepositoryWish("acme", "fleet", personal=False),
        (TeamGrant("ops", "maintain"),),
        rewrites_grants=True,
        read_write_key=True,
    )


def gitea(*words: str) -> Plan:
    return parsed(Gitea, *HERE, *words).plan("flux-system", "t0ken", 60)


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


@pytest.mark.parametrize(
    ("words", "host", "server"),
    [
        (("--hostname=[::1]",), SshHost("[::1]"), "[::1]"),
        (("--hostname=[::1]:8443",), SshHost("[::1]"), "[::1]"),
        (("--ssh-hostname=[::1]:2222",), SshHost("[::1]", 2222), "[::1]:2222"),
    ],
)
def test_an_ipv6_address_is_a_host(words: tuple[str, ...], host: SshHost, server: str) -> None:
    plan = gitea(*words)
    assert plan.secret.access == GeneratedKey(host)
    assert plan.sync.url == f"ssh://git@{server}/acme/fleet"


def test_gitea_reads_with_the_token() -> None:
    plan = gitea("--token-auth")
    assert plan.sync.url == "https://gitea.com/acme/fleet.git"
    assert plan.secret.access == BasicAuth("git", "t0ken")


def gitlab(*words: str) -> Plan:
    return parsed(GitLab, *HERE, *words).plan("flux-system", "t0ken", 60)


def test_gitlab_below_a_path_and_in_a_group() -> None:
    plan = gitlab("--hostname=https://10.0.0.5:8443/gitlab", "--owner=acme/platform", "--ssh-hostname=ssh.corp:2222")
    assert str(plan.remote) == "https://10.0.0.5:8443/gitlab/acme/platform/fleet.git"
    assert plan.sync.url == "ssh://git@ssh.corp:2222/acme/platform/fleet"
    assert plan.secret.access == GeneratedKey(SshHost("ssh.corp", 2222))


def test_gitlab_with_a_deploy_token() -> None:
    plan = gitlab("--deploy-token-auth")
    assert plan.secret.access == FromDeployToken()
    assert plan.sync.url == "https://gitlab.com/acme/fleet.git"
    assert plan.credentials.password == "t0ken"


def test_gitlab_with_a_key_of_ones_own(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(generate_key("ed25519").identity)
    assert gitlab(f"--private-key-file={key}").secret.access == GivenKey(SshHost("gitlab.com"), key.read_bytes())


@pytest.mark.parametrize(
    ("words", "private", "internal"),
    [
        ((), True, False),
        (("--visibility=internal",), False, True),
        (("--visibility=public",), False, False),
        (("--private=false",), False, False),
    ],
)
def test_gitlab_visibility(words: tuple[str, ...], private: bool, internal: bool) -> None:
    target = gitlab(*words).target
    assert target
    assert (target.wish.private, target.wish.internal) == (private, internal)


@pytest.mark.parametrize("name", ["fleet", "_x", "9.a-b", "flotte-é", "🚀", "👩‍🚀x"])
def test_names_that_gitlab_takes(name: str) -> None:
    parsed(GitLab, "--owner=acme", f"--repository={name}")


@pytest.mark.parametrize("name", ["", "-x", ".x", "a/b", "a b", "a+b"])
def test_names_that_gitlab_refuses(name: str) -> None:
    with pytest.raises(InvalidPlan) as refused:
        parsed(GitLab, "--owner=acme", f"--repository={name}")
    assert str(refused.value).startswith(f"{name} is an invalid project name for gitlab.\nIt can contain only letters,")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--token-auth", "--deploy-token-auth"), "--token-auth and --deploy-token-auth cannot be set both."),
        (("--visibility=secret",), "unsupported visibility 'secret'"),
    ],
)
def test_flags_that_gitlab_refuses(words: tuple[str, ...], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        gitlab(*words)


def bitbucket(key: str, *words: str) -> Plan:
    return parsed(BitbucketServer, *HERE, "--hostname=httpd.corp:8443/ctx", *words).plan(key, "flux-system", "t0ken", 60)


def test_bitbucket_server_with_key_and_slug_in_its_addresses() -> None:
    plan = bitbucket("PLAT", "--repository=Fleet", "--ssh-hostname=httpd.corp:7999", "--group=ops", "--group=sec:admin")
    assert str(plan.remote) == "https://httpd.corp:8443/ctx/scm/PLAT/fleet.git"
    assert plan.sync.url == "ssh://git@httpd.corp:7999/PLAT/fleet"
    assert plan.credentials.username == "git"
    assert plan.target
    assert plan.target.grants == (TeamGrant("ops", "push"), TeamGrant("sec", "admin"))
    assert (plan.target.wish.owner, plan.target.wish.name) == ("PLAT", "Fleet")


def test_bitbucket_server_with_the_token_of_a_user() -> None:
    plan = bitbucket("PLAT", "--token-auth", "--username=bot")
    assert plan.secret.access == BasicAuth("bot", "t0ken")
    assert plan.sync.url == "https://httpd.corp:8443/ctx/scm/PLAT/fleet.git"


def test_bitbucket_server_with_ones_own_repository() -> None:
    plan = bitbucket("~ada", "--owner=ada", "--personal", "--token-auth")
    assert plan.secret.access == BasicAuth("ada", "t0ken")
    assert plan.credentials.username == "ada"
    assert str(plan.remote) == "https://httpd.corp:8443/ctx/scm/~ada/fleet.git"


@pytest.mark.parametrize("hostname", ["", "http://h", "h:x"])
def test_bitbucket_server_needs_a_host(hostname: str) -> None:
    with pytest.raises(InvalidHost, match=f'invalid hostname "{hostname}"'):
        parsed(BitbucketServer, *HERE, f"--hostname={hostname}")


@pytest.mark.parametrize(
    ("command", "api", "header", "value", "shown"),
    [
        (Gitea, "https://10.0.0.5:8443/x/api/v1/", "Authorization", "token t0ken", "10.0.0.5:8443/x"),
        (GitLab, "https://10.0.0.5:8443/x/api/v4/", "Private-Token", "t0ken", "https://10.0.0.5:8443/x"),
        (BitbucketServer, "https://10.0.0.5:8443/x/rest/", "Authorization", "Bearer t0ken", "10.0.0.5:8443/x"),
    ],
)
def test_where_the_token_goes(
    command: type[Gitea] | type[GitLab] | type[BitbucketServer], api: str, header: str, value: str, shown: str
) -> None:
    """BS24: to the API of that host and port, in the header of that forge."""
    access = parsed(command, *HERE, "--hostname=10.0.0.5:8443/x").access("t0ken")
    assert (access.api, access.header, access.authorization) == (api, header, value)
    assert access.speak(None).domain == shown  # type: ignore[arg-type]
    assert "t0ken" not in repr(access)


@pytest.mark.parametrize("command", [Gitea, GitLab, BitbucketServer])
def test_a_scheme_other_than_https_is_refused_before_anything_is_made(
    command: type[Gitea] | type[GitLab] | type[BitbucketServer],
) -> None:
    with pytest.raises(InvalidHost, match="basic auth cannot be sent over HTTP"):
        parsed(command, *HERE, "--hostname=http://h").access("t0ken")


def test_gitea_makes_its_own_key() -> None:
    with pytest.raises(InvalidPlan, match="not supported by 'bootstrap gitea'"):
        gitea("--ssh-signing-reuse-private-key", "--private-key-file=x")


@pytest.mark.parametrize("command", [GitLab, BitbucketServer])
def test_a_key_to_reuse_has_to_be_given(command: type[GitLab] | type[BitbucketServer]) -> None:
    with pytest.raises(InvalidPlan, match="--ssh-signing-reuse-private-key requires --private-key-file"):
        parsed(command, *HERE, "--hostname=h", "--ssh-signing-reuse-private-key")
