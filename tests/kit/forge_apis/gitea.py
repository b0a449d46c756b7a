"""The part of Gitea's API that a bootstrap meets."""

from typing import Any

from aiohttp import web

from fleetloop.forge.gitea import Gitea
from tests.kit.forge_apis.served import STATE, Dialect
from tests.kit.forge_apis.state import Hosted, HostedKey, refusal

routes = web.RouteTableDef()
REPOSITORY = "/api/v1/repos/{owner}/{repo}"


def shown(hosted: Hosted) -> dict[str, Any]:
    levels = ("read", "write", "admin")
    mine = levels.index(hosted.mine)
    return {
        "name": hosted.name,
        "full_name": f"{hosted.owner}/{hosted.name}",
        "private": hosted.visibility == "private",
        "permissions": {"pull": True, "push": mine >= 1, "admin": mine >= 2},
    }


def shown_key(key: HostedKey) -> dict[str, Any]:
    return {"id": key.id, "title": key.title, "key": key.text, "read_only": key.read_only}


def repository_of(request: web.Request, level: str) -> Hosted:
    state = request.app[STATE]
    found = state.find(request.match_info["owner"], request.match_info["repo"])
    if found is None:
        raise web.HTTPNotFound(text='{"message": "The target couldn\'t be found."}', content_type="application/json")
    if not state.allows(found, level):
        raise web.HTTPForbidden(text='{"message": "user should be an admin"}', content_type="application/json")
    return found


@routes.get("/api/v1/user")
async def user(request: web.Request) -> web.Response:
    return web.json_response({"login": request.app[STATE].user})


@routes.get("/api/v1/users/{user}/orgs/{org}/permissions")
async def permissions(request: web.Request) -> web.Response:
    return web.json_response({"is_owner": False, "can_create_repository": request.app[STATE].may_create})


@routes.get(REPOSITORY)
async def repository(request: web.Request) -> web.Response:
    return web.json_response(shown(repository_of(request, "read")))


@routes.post("/api/v1/user/repos")
async def create_own(request: web.Request) -> web.Response:
    return await create(request, request.app[STATE].user)


@routes.post("/api/v1/orgs/{org}/repos")
async def create_for(request: web.Request) -> web.Response:
    return await create(request, request.match_info["org"])


async def create(request: web.Request, owner: str) -> web.Response:
    state, body = request.app[STATE], await request.json()
    if (owner.lower(), body["name"].lower()) in state.repositories:
        return refusal(409, "The repository with the same name already exists.")
    visibility = "private" if body["private"] else "public"
    made = state.host(body["name"], owner, visibility=visibility, created_with=body)
    return web.json_response(shown(made), status=201)


@routes.get(f"{REPOSITORY}/keys")
async def keys(request: web.Request) -> web.Response:
    found = repository_of(request, "admin").keys
    limit, page = int(request.query["limit"]), int(request.query["page"])
    return web.json_response([shown_key(key) for key in found[limit * (page - 1) : limit * page]])


@routes.post(f"{REPOSITORY}/keys")
async def add_key(request: web.Request) -> web.Response:
    hosted, body = repository_of(request, "admin"), await request.json()
    if not body.get("title") or not body.get("key"):
        return refusal(422, "[]: Required")
    if any(key.text == body["key"] for key in hosted.keys):
        return refusal(422, "This key has already been added to this repository")
    made = HostedKey(request.app[STATE].next_id(), body["title"], body["key"], body["read_only"])
    hosted.keys.append(made)
    return web.json_response(shown_key(made), status=201)


@routes.delete(f"{REPOSITORY}/keys/{{id}}")
async def remove_key(request: web.Request) -> web.Response:
    hosted = repository_of(request, "admin")
    hosted.keys = [key for key in hosted.keys if key.id != int(request.match_info["id"])]
    return web.Response(status=204)


@routes.get(f"{REPOSITORY}/teams/{{team}}")
async def team(request: web.Request) -> web.Response:
    hosted, name = repository_of(request, "read"), request.match_info["team"]
    if name not in hosted.grants:
        return refusal(404, "team not found")
    return web.json_response({"id": 1, "name": name, "permission": "write"})


@routes.put(f"{REPOSITORY}/teams/{{team}}")
async def grant(request: web.Request) -> web.Response:
    hosted, name = repository_of(request, "admin"), request.match_info["team"]
    if name not in request.app[STATE].teams:
        return refusal(404, "team not found")
    hosted.grants[name] = "write"
    return web.Response(status=204)


@routes.post(f"{REPOSITORY}/statuses/{{sha}}")
async def status(request: web.Request) -> web.Response:
    repository_of(request, "write").statuses.append((request.match_info["sha"], await request.json()))
    return web.json_response({"id": 1}, status=201)


GITEA = Dialect("gitea", "/api/v1/", "Authorization", "token {}", routes, Gitea)
