"""Beyond Flux: one pull request for a push branch, asked for by an annotation, `spec` untouched. docs/differences.md tells how.

The branch is then ours while all its commits are: it is made anew from the checkout branch at each update, so that a merged,
squashed or deleted one never stands in the way. A commit of somebody else's is built upon instead.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fleetloop import forge, git
from fleetloop.api.image import ImageUpdateAutomation
from fleetloop.controllers.image_automation.branches import Branches
from fleetloop.controllers.image_automation.failures import GitOperationFailed, InvalidSourceConfiguration
from fleetloop.controllers.image_automation.remote import Remote
from fleetloop.forge.pull_requests import PullRequest, close_pull_request, ensure_pull_request

ANNOTATION = "image.fleetloop.dev/pull-request"
FORGES = ("github",)


@dataclass(frozen=True, slots=True)
class Proposal:
    """The pull request from the push branch to the checkout branch."""

    remote: Remote
    request: PullRequest

    async def beyond(self) -> git.BranchContent:
        """What the push branch has that the checkout branch has not. Raises GitOperationFailed."""
        remote, request = self.remote, self.request
        try:
            return await git.content_beyond(
                remote.url, request.head, request.base, remote.credentials, timeout=remote.timeout, git=remote.program
            )
        except git.GitError as error:
            raise GitOperationFailed(f"failed to checkout source: {error}") from error

    async def keep(self, sha: str, message: str) -> str:
        """Open, with the text of its commit's message. Gives what happened, "" for nothing. Raises GitOperationFailed."""
        title, _, body = message.strip().partition("\n")
        async with self._api() as http:
            change = await ensure_pull_request(http, self.request, sha, title, body.strip())
        return "" if change.kind == "unchanged" else f"{'opened' if change.kind == 'created' else 'changed'} #{change.value}"

    async def close(self) -> str:
        """As `keep`."""
        async with self._api() as http:
            number = await close_pull_request(http, self.request)
        return "" if number is None else f"closed #{number}"

    @asynccontextmanager
    async def _api(self) -> AsyncIterator[forge.ForgeHttp]:
        url, opened_by = self.remote.url, self.remote.credentials
        token = opened_by.bearer_token or opened_by.password
        domain = url.host + (f":{url.port}" if url.port else "")
        try:
            async with forge.ForgeHttp.open(forge.api_url_of(domain), f"Bearer {token}", opened_by.ca) as http:
                yield http
        except forge.ForgeError as error:
            raise GitOperationFailed(f"failed to update pull request: {error}") from error


def proposal_of(automation: ImageUpdateAutomation, branches: Branches, remote: Remote) -> Proposal | None:
    """None when none is asked for. Raises InvalidSourceConfiguration."""
    asked = automation.metadata.annotations.get(ANNOTATION, "")
    if not asked:
        return None
    base, url = branches.checkout, remote.url
    if asked not in FORGES:
        problem = f"'{asked}' is none of: {', '.join(FORGES)}"
    elif not branches.switches or base.commit or base.name or base.tag or base.semver or not base.branch:
        problem = "it needs a checked out branch, and another one as spec.git.push.branch"
    elif url.scheme != "https" or len(parts := url.path.strip("/").removesuffix(".git").split("/")) != 2:
        problem = "it needs a repository of the form https://<host>/<owner>/<name>"
    else:
        return Proposal(remote, PullRequest(parts[0], parts[1], branches.push.shown, base.branch))
    raise InvalidSourceConfiguration(f"annotation {ANNOTATION}: {problem}")
