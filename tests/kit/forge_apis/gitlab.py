"""The part of GitLab's API that a bootstrap meets."""

import json
from typing import Any

from aiohttp import web

from fleetloop.forge.gitlab import GitLab
from tests.kit.forge_apis.served import STATE, Dialect
from tests.kit.forge_apis.state import Hosted, HostedKey, HostedToken, refusal

routes = web.RouteTableDef()
PROJECT = "/api/v4/projects/{project}"
USER_ID, GROUP_ID = 7, 40
LEVELS = {"read": 20, "write": 30, "admin": 40}


def refused(status: int, message: Any) -> Exception:
    text = json.dumps({"message": message})
    error = {400: web.HTTPBadRequest, 403: web.HTTPForbidden, 404: web.HTTPNotFound, 409: web.HTTPConflict}[status]
    return error(text=text, content_type="application/json")


def project_of(request: web.Request, level: str) -> Hosted:
    state = request.app[STATE]
    owner, _, name = request.match_info["project"].rpartition("/")
    found = state.find(owner, name)
    if found is None:
        raise refused(404, "404 Project Not Found")
    if not state.allows(found, level):
        raise refused(403, "403 Forbidden")
    return found


def paged(request: web.Request, items: list[dict[str, Any]]) -> web.Response:
    count, page = int(request.query["per_page"]), int(request.query["page"])
    return web.json_response(items[count * (page - 1) : count * page])


@routes.get("/api/v4/user")
async def user(request: web.Request) -> web.Response:
    return web.json_response({"id": USER_ID, "username": request.app[STATE].user})


@routes.get("/api/v4/personal_access_tokens/self")
async def token(request: web.Request) -> web.Response:
    return web.json_response({"scopes": request.app[STATE].scopes})


@routes.get("/api/v4/groups/{group}")
async def group(request: web.Request) -> web.Response:
    state, path = request.app[STATE], request.match_info["group"]
    if path != state.owner and path not in state.teams:
        return refusal(404, "404 Group Not Found")
    return web.json_response({"id": GROUP_ID, "full_path": path, "project_creation_level": "maintainer"})


@routes.get("/api/v4/groups/{group}/members/all/{user}")
async def group_member(request: web.Request) -> web.Response:
    return web.json_response({"id": USER_ID, "access_level": 40 if request.app[STATE].may_create else 30})


@routes.get(PROJECT)
async def project(request: web.Request) -> web.Response:
    hosted = project_of(request, "read")
    shared = [{"group_id": key, "group_access_level": level} for key, level in hosted.grants.items()]
    return web.json_response({"path": hosted.name, "visibility": hosted.visibility, "shared_with_groups": shared})


@routes.get(f"{PROJECT}/members/all/{{user}}")
async def member(request: web.Request) -> web.Response:
    return web.json_response({"id": USER_ID, "access_level": LEVELS[project_of(request, "read").mine]})


@routes.post("/api/v4/projects")
async def create(request: web.Request) -> web.Response:
    state, body = request.app[STATE], await request.json()
    owner = state.owner if body.get("namespace_id") == GROUP_ID else state.user
    if (owner.lower(), body["name"].lower()) in state.repositories:
        return refusal(400, {"name": ["has already been taken"], "path": ["has already been taken"]})
    state.host(body["name"], owner, visibility=body["visibility"], created_with=body)
    return web.json_response({"path": body["name"]}, status=201)


@routes.get(f"{PROJECT}/deploy_keys")
async def keys(request: web.Request) -> web.Response:
    found = project_of(request, "admin").keys
    return paged(request, [{"id": k.id, "title": k.title, "key": k.text, "can_push": not k.read_only} for k in found])


@routes.post(f"{PROJECT}/deploy_keys")
async def add_key(request: web.Request) -> web.Response:
    hosted, body = project_of(request, "admin"), await request.json()
    if any(key.text == body["key"] for key in hosted.keys):
        return refusal(400, {"deploy_key.fingerprint_sha256": ["has already been taken"]})
    hosted.keys.append(HostedKey(request.app[STATE].next_id(), body["title"], body["key"], not body["can_push"]))
    return web.json_response({"id": hosted.keys[-1].id}, status=201)


@routes.delete(f"{PROJECT}/deploy_keys/{{id}}")
async def remove_key(request: web.Request) -> web.Response:
    hosted = project_of(request, "admin")
    hosted.keys = [key for key in hosted.keys if key.id != int(request.match_info["id"])]
    return web.Response(status=204)


@routes.get(f"{PROJECT}/deploy_tokens")
async def tokens(request: web.Request) -> web.Response:
    found = project_of(request, "admin").tokens
    return paged(
        request,
        [{"id": one.id, "name": one.title, "username": one.username, "revoked": one.is_dead, "expired": False} for one in found],
    )


@routes.post(f"{PROJECT}/deploy_tokens")
async def add_token(request: web.Request) -> web.Response:
    hosted, body, number = project_of(request, "admin"), await request.json(), request.app[STATE].next_id()
    hosted.tokens.append(HostedToken(number, body["name"], f"gitlab+deploy-token-{number}"))
    made = {"id": number, "username": hosted.tokens[-1].username, "token": f"value-{number}", "scopes": body["scopes"]}
    return web.json_response(made, status=201)


@routes.delete(f"{PROJECT}/deploy_tokens/{{id}}")
async def remove_token(request: web.Request) -> web.Response:
    hosted = project_of(request, "admin")
    hosted.tokens = [one for one in hosted.tokens if one.id != int(request.match_info["id"])]
    return web.Response(status=204)


@routes.post(f"{PROJECT}/share")
async def share(request: web.Request) -> web.Response:
    hosted, body = project_of(request, "admin"), await request.json()
    if body["group_id"] in hosted.grants:
        return refusal(409, "The group has already been taken")
    hosted.grants[body["group_id"]] = body["group_access"]
    return web.json_response({"id": 1}, status=201)


@routes.delete(f"{PROJECT}/share/{{id}}")
async def unshare(request: web.Request) -> web.Response:
    del project_of(request, "admin").grants[int(request.match_info["id"])]
    return web.Response(status=204)


@routes.post(f"{PROJECT}/statuses/{{sha}}")
async def status(request: web.Request) -> web.Response:
    project_of(request, "write").statuses.append((request.match_info["sha"], await request.json()))
    return web.json_response({"id": 1}, status=201)


GITLAB = Dialect("gitlab", "/api/v4/", "Private-Token", "{}", routes, GitLab)
