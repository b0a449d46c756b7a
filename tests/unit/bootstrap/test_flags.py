"""Flags and defaults of the commands of this room, as scripts know them; and which are ours."""

import pytest

from fleetloop.cli.bootstrap import Git, GitHub
from fleetloop.cli.bootstrap_bitbucket_server import BitbucketServer
from fleetloop.cli.bootstrap_gitea import Gitea
from fleetloop.cli.bootstrap_gitlab import GitLab
from fleetloop.cli.check import Check
from fleetloop.cli.command import Command, shape_of
from fleetloop.cli.install import Install
from fleetloop.cli.migrate import Migrate
from fleetloop.cli.uninstall import Uninstall
from fleetloop.cli.version import Version

DEFAULT = "source-controller,kustomize-controller,helm-controller,notification-controller"
INSTALL = f"""
cluster-domain=cluster.local components={DEFAULT} components-extra= force=False image-pull-secret= log-level=info
network-policy=True registry=ghcr.io/fleetloop registry-creds= toleration-keys= v/version= watch-all-namespaces=True
"""
BOOTSTRAP = f"""{INSTALL}
author-email= author-name=Flux branch=main ca-file= commit-message-appendix= gpg-key-id= gpg-key-ring= gpg-passphrase=
private-key-file= recurse-submodules=False secret-name=flux-system sparse-checkout= ssh-ecdsa-curve=p384 ssh-hostkey-algos=
ssh-hostname= ssh-key-algorithm=ecdsa ssh-rsa-bits=2048 ssh-signing-key-file= ssh-signing-password=
ssh-signing-reuse-private-key=False token-auth=False
"""
CASES = {
    GitHub: f"""{BOOTSTRAP} hostname=github.com interval=60.0 owner= path= personal=False private=True read-write-key=False
        reconcile=False repository= team= dry-run=False ssh-signing-passphrase=""",
    BitbucketServer: f"""{BOOTSTRAP} group= hostname= interval=60.0 owner= path= personal=False private=True
        read-write-key=False reconcile=False repository= u/username=git dry-run=False ssh-signing-passphrase=""",
    GitLab: f"""{BOOTSTRAP} deploy-token-auth=False hostname=gitlab.com interval=60.0 owner= path= personal=False
        read-write-key=False reconcile=False repository= team= visibility=private dry-run=False ssh-signing-passphrase=
        private=True""",
    Gitea: f"""{BOOTSTRAP} hostname=gitea.com interval=60.0 owner= path= personal=False private=True read-write-key=False
        reconcile=False repository= team= dry-run=False ssh-signing-passphrase=""",
    Git: f"""{BOOTSTRAP} allow-insecure-http=False interval=60.0 p/password= path= s/silent=False url= u/username=git
        with-bearer-token=False dry-run=False ssh-signing-passphrase=""",
    Install: f"{INSTALL} export=False",
    Uninstall: "dry-run=False keep-namespace=False s/silent=False",
    Check: "components=None components-extra= poll-interval=5.0 pre=False",
    Version: "client=False o/output=yaml",
    Migrate: "dry-run=False e/extensions=.yaml,.yml f/path= v/version= y/yes=False",
}


@pytest.mark.parametrize("command", CASES, ids=lambda command: command.__name__)
def test_flags_and_defaults(command: type[Command]) -> None:
    """`--dry-run` of bootstrap is ours; `components` of check is told apart from its default (⚠ 45)."""
    found = set()
    for flag in shape_of(command).flags:
        default = ",".join(flag.default) if isinstance(flag.default, tuple) else flag.default
        found.add(f"{flag.short}{'/' if flag.short else ''}{flag.name}={default}")
    assert found == set(CASES[command].split())
