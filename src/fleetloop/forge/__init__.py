"""GitHub, GitLab, Gitea, Bitbucket: repositories, deploy keys, teams, commit statuses, token rights."""

from fleetloop.forge.bitbucket_server import BitbucketServer
from fleetloop.forge.errors import (
    AlreadyOnForge,
    ForgeDenied,
    ForgeError,
    ForgeRefused,
    ForgeUnreachable,
    InvalidHost,
    NotOnForge,
)
from fleetloop.forge.forge import Change, CommitStatus, DeployKey, Forge, Repository, RepositoryWish, Right
from fleetloop.forge.gitea import Gitea
from fleetloop.forge.github import GitHub, api_url_of
from fleetloop.forge.gitlab import GitLab
from fleetloop.forge.http import Answer, ForgeHttp, Http

__all__ = [
    "AlreadyOnForge",
    "Answer",
    "BitbucketServer",
    "Change",
    "CommitStatus",
    "DeployKey",
    "Forge",
    "ForgeDenied",
    "ForgeError",
    "ForgeHttp",
    "ForgeRefused",
    "ForgeUnreachable",
    "GitHub",
    "GitLab",
    "Gitea",
    "Http",
    "InvalidHost",
    "NotOnForge",
    "Repository",
    "RepositoryWish",
    "Right",
    "api_url_of",
]
