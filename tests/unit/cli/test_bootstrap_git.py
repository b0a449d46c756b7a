"""What the flags of `bootstrap git` come to."""

from pathlib import Path

import pytest

from fleetloop.bootstrap.errors import InvalidPlan
from fleetloop.bootstrap.files import sync_manifests
from fleetloop.bootstrap.plan import Plan
from fleetloop.bootstrap.secret import BasicAuth, GivenKey, SshHost
from fleetloop.cli.bootstrap import Git
from fleetloop.cli.bootstrap_plan import git_plan
from fleetloop.git import generate_key
from tests.kit.flags import parsed

CODE_COMMIT = "git-codecommit.eu-west-1.amazonaws.com/v1/repos/fleet"


def git(*words: str, password: str = "") -> Plan:
    return git_plan(parsed(Git, "--path=clusters/x", *words), "flux-system", password, 60, {})


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_bytes(generate_key("ed25519").identity)
    return file


def test_codecommit_by_a_key_is_read_by_that_key(key: Path) -> None:
    """source-controller takes `provider: aws` for HTTPS alone."""
    plan = git(f"--url=ssh://APKA@{CODE_COMMIT}", f"--private-key-file={key}")
    assert plan.sync.url == f"ssh://APKA@{CODE_COMMIT}"
    assert plan.secret.access == GivenKey(SshHost(CODE_COMMIT.partition("/")[0]), key.read_bytes())
    assert "provider" not in sync_manifests(plan.sync)


def test_codecommit_with_git_credentials_is_read_with_those() -> None:
    plan = git(f"--url=https://{CODE_COMMIT}", "--token-auth", "--username=bot-at-1", password="p")
    assert plan.secret.access == BasicAuth("bot-at-1", "p")
    assert "provider" not in sync_manifests(plan.sync)
    with pytest.raises(InvalidPlan, match="failed to get AWS CodeCommit IAM git credentials"):
        git(f"--url=https://{CODE_COMMIT}")
