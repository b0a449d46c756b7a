"""The web pages: what they show, to whom, and that nothing from a repository becomes markup."""

import aiohttp
import pytest

from tests.contract.local_forge.conftest import Scene

pytestmark = pytest.mark.asyncio(loop_scope="package")
REPO = "/repos/{owner}/{repo}"
EVIL = "<script>alert(1)</script>"


async def page(scene: Scene, path: str, token: str = "") -> tuple[int, str]:
    headers = {"Authorization": aiohttp.encode_basic_auth("me", token)} if token else {}
    async with scene.session.get(scene.forge.url + path, headers=headers) as response:
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        return response.status, await response.text()


async def test_pages_show_repositories_commits_and_pull_requests(scene: Scene) -> None:
    first = await scene.push({"a": "1\n"})
    api, token = await scene.full_api(), await scene.token()
    await api("POST", REPO + "/git/refs", {"ref": "refs/heads/next", "sha": first}, **scene.target)
    await scene.push({"a": f"{EVIL}\n"}, branch="next")
    await api("POST", REPO + "/pulls", {"title": EVIL, "body": EVIL, "head": "next", "base": "main"}, **scene.target)
    await api("POST", REPO + "/issues/{issue_number}/comments", {"body": EVIL}, issue_number=1, **scene.target)
    wish = {"state": "failure", "context": EVIL}
    await api("POST", REPO + "/statuses/{sha}", wish, sha=first, **scene.target)
    here = f"/{scene.org}/{scene.repo}"
    for path, shown in (
        ("/", f'href="{here}"'),
        (here, f'href="{here}/commit/{first}"'),
        (f"{here}?ref=next", "Commits on next"),
        (f"{here}/commit/{first}", "+1"),
        (f"{here}/pull/1", "#1"),
    ):
        status, text = await page(scene, path, token)
        assert status == 200
        assert shown in text
        assert EVIL not in text


@pytest.mark.parametrize("path", ["", "/commit/main", "/pull/1"])
async def test_pages_ask_for_a_login_and_hide_what_is_not_to_be_seen(scene: Scene, path: str) -> None:
    await scene.push({"a": "1\n"})
    assert (await page(scene, f"/{scene.org}/fleet{path}"))[0] == 401
    outsider = await scene.forge.admin.create_classic_token(scene.outsider)
    assert (await page(scene, f"/{scene.org}/fleet{path}", outsider))[0] == 404


@pytest.mark.parametrize("path", ["/commit/" + "f" * 40, "/pull/7", "/pull/x", "/commit/--help", "?ref=--help"])
async def test_what_is_not_there_is_not_found(scene: Scene, path: str) -> None:
    await scene.push({"a": "1\n"})
    assert (await page(scene, f"/{scene.org}/fleet{path}", await scene.token()))[0] == 404
