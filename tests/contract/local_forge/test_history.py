"""Commits, statuses, branches, refs, contents and merges by the API."""

import base64

import pytest

from tests.contract.local_forge.conftest import Scene

pytestmark = pytest.mark.asyncio(loop_scope="package")
REPO = "/repos/{owner}/{repo}"


async def test_empty_repository_has_no_history(scene: Scene) -> None:
    api = await scene.full_api()
    empty = await api("GET", REPO + "/commits", **scene.target)
    assert (empty.status, empty.body["message"]) == (409, "Git Repository is empty.")
    assert (await api("GET", REPO + "/branches", **scene.target)).body == []
    assert (await api("GET", REPO + "/git/ref/{ref}", ref="heads/main", **scene.target)).status == 409
    assert (await api("GET", REPO + "/contents/{path}", path="a", **scene.target)).status == 404


async def test_commits_are_listed_and_paged(scene: Scene) -> None:
    shas = [await scene.push({name: "x\n"}) for name in ("a", "b", "c/d")]
    api = await scene.full_api()
    listed = await api("GET", REPO + "/commits", **scene.target)
    assert [one["sha"] for one in listed.body] == shas[::-1]
    second = await api("GET", REPO + "/commits?per_page=2&page=2", **scene.target)
    assert [one["sha"] for one in second.body] == shas[:1]
    of_b = await api("GET", REPO + "/commits?path=b&sha=main", **scene.target)
    assert [one["sha"] for one in of_b.body] == shas[1:2]


async def test_one_commit_shows_its_files_and_author(scene: Scene) -> None:
    await scene.forge.admin.create_user(scene.owner)
    await scene.push({"a": "1\n2\n"})
    sha = await scene.push({"a": "1\n", "b/c": "new\n"})
    api = await scene.full_api()
    shown = await api("GET", REPO + "/commits/{ref}", ref="main", **scene.target)
    assert shown.body["sha"] == sha
    assert [(file["filename"], file["status"]) for file in shown.body["files"]] == [("a", "modified"), ("b/c", "added")]
    assert shown.body["stats"] == {"additions": 1, "deletions": 1, "total": 2}
    assert shown.body["commit"]["verification"]["reason"] == "unsigned"


@pytest.mark.parametrize(("ref", "status"), [("absent", 404), ("f" * 40, 422), ("--help", 404), ("main..main", 404)])
async def test_commits_that_are_not_there(scene: Scene, ref: str, status: int) -> None:
    await scene.push({"a": "1\n"})
    api = await scene.full_api()
    assert (await api("GET", REPO + "/commits/{ref}", ref=ref, **scene.target)).status == status


async def test_branches_with_slashes(scene: Scene) -> None:
    sha = await scene.push({"a": "1\n"}, branch="release/1.0")
    api = await scene.full_api()
    assert [one["name"] for one in (await api("GET", REPO + "/branches", **scene.target)).body] == ["release/1.0"]
    shown = await api("GET", REPO + "/branches/{branch}", branch="release/1.0", **scene.target)
    assert (shown.body["commit"]["sha"], shown.body["protected"]) == (sha, False)
    absent = await api("GET", REPO + "/branches/{branch}", branch="absent", **scene.target)
    assert (absent.status, absent.body["message"]) == (404, "Branch not found")


async def test_statuses_and_what_they_come_to(scene: Scene) -> None:
    sha = await scene.push({"a": "1\n"})
    api = await scene.full_api()
    combined = await api("GET", REPO + "/commits/{ref}/status", ref=sha, **scene.target)
    assert (combined.body["state"], combined.body["total_count"]) == ("pending", 0)
    for state, context, expected in (
        ("pending", "kustomization/apps/0c1", "pending"),
        ("success", "kustomization/apps/0c1", "success"),
        ("error", "kustomization/infra/0c1", "failure"),
    ):
        wish = {"state": state, "context": context, "description": "reconciled", "target_url": ""}
        made = await api("POST", REPO + "/statuses/{sha}", wish, sha=sha, **scene.target)
        assert (made.status, made.body["creator"]["login"]) == (201, scene.owner)
        combined = await api("GET", REPO + "/commits/{ref}/status", ref="main", **scene.target)
        assert combined.body["state"] == expected
    assert combined.body["total_count"] == 2
    listed = await api("GET", REPO + "/commits/{ref}/statuses", ref=sha, **scene.target)
    assert [status["state"] for status in listed.body] == ["error", "success", "pending"]
    kept = await scene.forge.admin.statuses(scene.org, scene.repo)
    assert [status["state"] for status in kept] == ["pending", "success", "error"]


@pytest.mark.parametrize("wish", [{"state": "fine"}, {}, {"state": "success", "description": "x" * 141}])
async def test_bad_statuses_are_refused(scene: Scene, wish: dict[str, str]) -> None:
    sha = await scene.push({"a": "1\n"})
    api = await scene.full_api()
    assert (await api("POST", REPO + "/statuses/{sha}", wish, sha=sha, **scene.target)).status == 422


async def test_refs_are_created_moved_and_deleted(scene: Scene) -> None:
    first, second = await scene.push({"a": "1\n"}), await scene.push({"a": "2\n"})
    api = await scene.full_api()
    refs, one = REPO + "/git/refs", REPO + "/git/refs/{ref}"
    made = await api("POST", refs, {"ref": "refs/heads/feature/x", "sha": first}, **scene.target)
    assert (made.status, made.body["object"]) == (201, made.body["object"] | {"sha": first, "type": "commit"})
    assert (await api("POST", refs, {"ref": "refs/heads/feature/x", "sha": first}, **scene.target)).status == 422
    assert (await api("POST", refs, {"ref": "refs/tags/v1", "sha": first}, **scene.target)).status == 201
    moved = await api("PATCH", one, {"sha": second}, ref="heads/feature/x", **scene.target)
    assert moved.body["object"]["sha"] == second
    back = await api("PATCH", one, {"sha": first}, ref="heads/feature/x", **scene.target)
    assert (back.status, back.body["message"]) == (422, "Update is not a fast forward")
    forced = await api("PATCH", one, {"sha": first, "force": True}, ref="heads/feature/x", **scene.target)
    assert forced.status == 200
    found = await api("GET", REPO + "/git/matching-refs/{ref}", ref="heads/fea", **scene.target)
    assert [ref["ref"] for ref in found.body] == ["refs/heads/feature/x"]
    assert (await api("DELETE", one, ref="heads/feature/x", **scene.target)).status == 204
    assert (await api("GET", REPO + "/git/ref/{ref}", ref="heads/feature/x", **scene.target)).status == 404
    assert (await api("DELETE", one, ref="heads/main", **scene.target)).status == 422


@pytest.mark.parametrize("ref", ["refs/heads/../x", "refs/heads/-", "main", "refs/heads/", "refs/heads/a..b", "refs/x y", "HEAD"])
async def test_bad_ref_names_are_refused(scene: Scene, ref: str) -> None:
    sha = await scene.push({"a": "1\n"})
    api = await scene.full_api()
    wish = {"ref": ref, "sha": sha}
    status = 201 if ref == "refs/heads/-" else 422
    assert (await api("POST", REPO + "/git/refs", wish, **scene.target)).status == status


async def test_contents_are_written_read_and_deleted(scene: Scene) -> None:
    api = await scene.full_api()
    where = {"path": "clusters/one/a.yaml", **scene.target}
    wish = {"message": "first", "content": base64.b64encode(b"a: 1\n").decode()}
    path = REPO + "/contents/{path}"
    made = await api("PUT", path, wish, **where)
    assert (made.status, made.body["commit"]["message"]) == (201, "first")
    shown = await api("GET", path, **where)
    assert base64.b64decode(shown.body["content"]) == b"a: 1\n"
    assert (await api("PUT", path, wish, **where)).status == 422
    assert (await api("PUT", path, wish | {"sha": "0" * 40}, **where)).status == 409
    changed = await api("PUT", path, wish | {"sha": shown.body["sha"], "content": ""}, **where)
    assert changed.status == 200
    folder = await api("GET", path, path="clusters", **scene.target)
    assert [(entry["name"], entry["type"]) for entry in folder.body] == [("one", "dir")]
    tree = await api("GET", REPO + "/git/trees/{tree_sha}?recursive=1", tree_sha="main", **scene.target)
    assert [entry["path"] for entry in tree.body["tree"]] == ["clusters", "clusters/one", "clusters/one/a.yaml"]
    gone = await api("DELETE", path, {"message": "gone", "sha": changed.body["content"]["sha"]}, **where)
    assert gone.body["content"] is None
    assert await scene.forge.admin.files(scene.org, scene.repo) == []


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a//b", ".git/config", "a/.GIT/x", "a\nb"])
async def test_paths_stay_inside_the_repository(scene: Scene, path: str) -> None:
    """The HTTP library resolves plain dots before we see them; what is left is refused."""
    api = await scene.full_api()
    wish = {"message": "m", "content": ""}
    made = await api("PUT", REPO + "/contents/{path}", wish, path=path.replace("..", "%2e%2e"), **scene.target)
    assert made.status in {201, 404, 422}
    written = await scene.forge.admin.files(scene.org, scene.repo)
    assert not {part for name in written for part in name.lower().split("/")} & {"..", ".git", ""}


async def test_branches_are_compared(scene: Scene) -> None:
    await scene.push({"a": "1\n"})
    await scene.push({"b": "1\n"}, branch="next", work="other")
    api = await scene.full_api()
    path = REPO + "/compare/{basehead}"
    shown = await api("GET", path, basehead="main...main", **scene.target)
    assert shown.body["status"] == "identical"


async def test_branches_are_merged(scene: Scene) -> None:
    first = await scene.push({"a": "1\n"})
    api = await scene.full_api()
    await api("POST", REPO + "/git/refs", {"ref": "refs/heads/next", "sha": first}, **scene.target)
    await scene.push({"b": "1\n"}, branch="next")
    merges = REPO + "/merges"
    wish = {"base": "main", "head": "next", "commit_message": "bring next"}
    merged = await api("POST", merges, wish, **scene.target)
    assert (merged.status, merged.body["commit"]["message"]) == (201, "bring next")
    assert await scene.forge.admin.files(scene.org, scene.repo) == ["a", "b"]
    assert (await api("POST", merges, wish, **scene.target)).status == 204
    assert (await api("POST", merges, wish | {"base": "absent"}, **scene.target)).status == 404
    compared = await api("GET", REPO + "/compare/{basehead}", basehead="next...main", **scene.target)
    assert (compared.body["status"], compared.body["ahead_by"]) == ("ahead", 1)
