"""The source Secret of `bootstrap gitlab --deploy-token-auth`: a token that the forge makes for this repository alone.

The forge tells a token's value once, when it is made. So it is kept for as long as the Secret in the cluster has it and
it still works (⚠ 18: the peer makes a new one at every run). A new one is in the Secret before the old ones are removed.
"""

import dataclasses

from fleetloop.bootstrap.errors import failing_as
from fleetloop.bootstrap.plan import Plan
from fleetloop.bootstrap.preflight import Findings
from fleetloop.bootstrap.secret import BasicAuth, Data
from fleetloop.bootstrap.steps import reconcile_source_secret
from fleetloop.bootstrap.tools import Tools
from fleetloop.forge import ForgeError, Repository
from fleetloop.forge.forge import DeployToken, DeployTokens


async def reconcile_with_deploy_token(plan: Plan, findings: Findings, repository: Repository | None, tools: Tools) -> None:
    """Raises StepFailed."""
    forge, title = tools.forge, plan.key_title
    assert isinstance(forge, DeployTokens) and repository, "a plan with a deploy token is for a forge that has them"
    tools.say.action("checking to reconcile deploy token for source secret")
    with failing_as(f'failed to configure deploy token "{title}" for "{repository.web_url}"', ForgeError):
        present = await forge.find_deploy_tokens(repository, title)
        access = kept_access(findings.secret, present)
        if access:
            tools.say.success("reconciled deploy token for source secret")
        else:
            made = await forge.create_deploy_token(repository, title)
            tools.say.success(f'configured deploy token "{title}" for "{repository.web_url}"')
    source = dataclasses.replace(plan.secret, access=access or BasicAuth(made.username, made.token))
    await reconcile_source_secret(dataclasses.replace(plan, secret=source), findings, repository, tools)
    if not access:
        with failing_as(f'failed to remove an old deploy token "{title}" from "{repository.web_url}"', ForgeError):
            for token in present:
                await forge.remove_deploy_token(repository, token)


def kept_access(secret: Data | None, present: list[DeployToken]) -> BasicAuth | None:
    """What the Secret holds, when that is one of the forge's tokens."""
    held = secret or {}
    username, password = held.get("username", b"").decode(), held.get("password", b"").decode()
    return BasicAuth(username, password) if password and username in {one.username for one in present} else None
