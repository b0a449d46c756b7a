"""Small servers that speak the REST APIs of forges: real HTTP, state in memory, answers shaped as the forges' own."""

from tests.kit.forge_apis.bitbucket_server import BITBUCKET_SERVER
from tests.kit.forge_apis.gitea import GITEA
from tests.kit.forge_apis.gitlab import GITLAB
from tests.kit.forge_apis.served import SITE, Dialect, Served, serving
from tests.kit.forge_apis.state import ForgeState, Hosted, HostedKey

DIALECTS = (GITEA, GITLAB, BITBUCKET_SERVER)

__all__ = [
    "BITBUCKET_SERVER",
    "DIALECTS",
    "GITEA",
    "GITLAB",
    "SITE",
    "Dialect",
    "ForgeState",
    "Hosted",
    "HostedKey",
    "Served",
    "serving",
]
