"""Pull requests, their comments and their merges."""

import pytest

from tests.contract.local_forge.conftest import Scene
from tests.kit.github_api import GitHubApi

pytestmark = pytest.mark.asyncio(loop_scope="package")
REPO = "/repos/{owner}/{repo}"
PULL = REPO + "/pulls/{pull_number}"
COMMENTS = REPO + "/issues/{issue_number}/comments"


async def opened(scene: Scene, content: str = "2\n") -> GitHubApi:
    """A pull request from `next` into `main` that changes `a`."""
    first = await scene.push({"a": "1\n", "b": "1\n"})
    api = await scene.full_api()
    await api("POST", REPO + "/git/refs", {"ref": "refs/heads/next", "sha": first}, **scene.target)
    await scene.push({"a": content}, branch="next")
    wish = {"title": "Raise a", "head": "next", "base": "main", "body": "because"}
    made = await api("POST", REPO + "/pulls", wish, **scene.target)
    assert (made.status, made.body["number"], made.body["mergeable"]) == (201, 1, True)
    return api


async def test_pull_request_shows_what_it_changes(scene: Scene) -> None:
    api = await opened(scene)
    shown = await api("GET", PULL, pull_number=1, **scene.target)
    assert (shown.body["commits"], shown.body["changed_files"], shown.body["additions"]) == (1, 1, 1)
    files = await api("GET", PULL + "/files", pull_number=1, **scene.target)
    assert [file["filename"] for file in files.body] == ["a"]
    commits = await api("GET", PULL + "/commits", pull_number=1, **scene.target)
    assert [commit["sha"] for commit in commits.body] == [shown.body["head"]["sha"]]
    assert [one["number"] for one in (await api("GET", REPO + "/pulls", **scene.target)).body] == [1]
    assert (await api("GET", REPO + "/pulls?state=closed", **scene.target)).body == []
    assert (await api("GET", REPO + f"/pulls?head={scene.org}:other", **scene.target)).body == []


async def test_pull_request_follows_its_branch(scene: Scene) -> None:
    api = await opened(scene)
    sha = await scene.push({"a": "3\n"}, branch="next")
    assert (await api("GET", PULL, pull_number=1, **scene.target)).body["head"]["sha"] == sha


@pytest.mark.parametrize("method", ["merge", "squash"])
async def test_pull_request_is_merged(scene: Scene, method: str) -> None:
    api = await opened(scene)
    assert (await api("GET", PULL + "/merge", pull_number=1, **scene.target)).status == 404
    stale = await api("PUT", PULL + "/merge", {"sha": "0" * 40}, pull_number=1, **scene.target)
    assert stale.status == 409
    merged = await api("PUT", PULL + "/merge", {"merge_method": method}, pull_number=1, **scene.target)
    assert merged.body["merged"] is True
    assert (await api("GET", PULL + "/merge", pull_number=1, **scene.target)).status == 204
    newest = (await scene.forge.admin.commits(scene.org, scene.repo))[0]
    assert newest.sha == merged.body["sha"]
    assert len(newest.parents) == (2 if method == "merge" else 1)
    assert newest.message.splitlines()[0] == (
        f"Merge pull request #1 from {scene.org}/next" if method == "merge" else "Raise a (#1)"
    )
    assert await scene.forge.admin.file(scene.org, scene.repo, "a") == b"2\n"
    shown = await api("GET", PULL, pull_number=1, **scene.target)
    assert (shown.body["state"], shown.body["merged_by"]["login"]) == ("closed", scene.owner)
    assert (await api("PUT", PULL + "/merge", {}, pull_number=1, **scene.target)).status == 405


async def test_conflicting_pull_request_is_not_merged(scene: Scene) -> None:
    api = await opened(scene)
    work = scene.folder / "work"
    await scene.forge.git("reset", "--quiet", "--hard", "HEAD~1", cwd=work)
    await scene.push({"a": "9\n"})
    assert (await api("GET", PULL, pull_number=1, **scene.target)).body["mergeable"] is False
    refused = await api("PUT", PULL + "/merge", {}, pull_number=1, **scene.target)
    assert (refused.status, refused.body["message"]) == (405, "Pull Request is not mergeable")


@pytest.mark.parametrize(
    "change", [{"head": "absent"}, {"base": "absent"}, {"title": ""}, {"base": "next"}, {"head": "main"}, {"head": "next"}]
)
async def test_bad_pull_requests_are_refused(scene: Scene, change: dict[str, str]) -> None:
    """The last one is open already."""
    api = await opened(scene)
    wish = {"title": "again", "head": "next", "base": "main"} | change
    assert (await api("POST", REPO + "/pulls", wish, **scene.target)).status == 422


async def test_pull_request_is_closed_and_reopened(scene: Scene) -> None:
    api = await opened(scene)
    closed = await api("PATCH", PULL, {"state": "closed", "title": "No"}, pull_number=1, **scene.target)
    assert (closed.body["state"], closed.body["title"], closed.body["merged"]) == ("closed", "No", False)
    assert (await api("PATCH", PULL, {"state": "open"}, pull_number=1, **scene.target)).body["closed_at"] is None
    assert (await api("GET", PULL, pull_number=2, **scene.target)).status == 404


async def test_comments_are_written_changed_and_deleted(scene: Scene) -> None:
    api = await opened(scene)
    made = await api("POST", COMMENTS, {"body": "effect: none"}, issue_number=1, **scene.target)
    assert made.status == 201
    one, where = REPO + "/issues/comments/{comment_id}", {"comment_id": made.body["id"], **scene.target}
    assert (await api("PATCH", one, {"body": "effect: two objects"}, **where)).body["body"] == "effect: two objects"
    assert [found["id"] for found in (await api("GET", COMMENTS, issue_number=1, **scene.target)).body] == [made.body["id"]]
    assert (await api("GET", PULL, pull_number=1, **scene.target)).body["comments"] == 1
    stranger = scene.api(await scene.token(scene.member))
    assert (await stranger("DELETE", one, **where)).status == 403
    assert (await api("DELETE", one, **where)).status == 204
    assert (await api("GET", one, **where)).status == 404
    assert (await api("POST", COMMENTS, {"body": " "}, issue_number=1, **scene.target)).status == 422
    assert (await api("POST", COMMENTS, {"body": "x"}, issue_number=7, **scene.target)).status == 404
