"""The part of Bitbucket Server's API that a bootstrap meets."""

import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from fleetloop.forge.bitbucket_server import BitbucketServer, slug_of
from tests.kit.forge_apis.served import STATE, Dialect
from tests.kit.forge_apis.state import LEVELS, Hosted, HostedKey

routes = web.RouteTableDef()
API, REPOSITORY = "/rest/api/1.0", "/projects/{project}/repos/{slug}"
GRANTS = {"REPO_READ": "read", "REPO_WRITE": "write", "REPO_ADMIN": "admin"}
SERVED_AT_ONCE = 3  # a server may give less than it is asked for


def refused(status: int, message: str) -> Exception:
    text = json.dumps({"errors": [{"context": None, "message": message, "exceptionName": "x.y.Exception"}]})
    error = {400: web.HTTPBadRequest, 401: web.HTTPUnauthorized, 404: web.HTTPNotFound, 409: web.HTTPConflict}[status]
    return error(text=text, content_type="application/json")


def repository_of(request: web.Request, level: str) -> Hosted:
    state, key, slug = request.app[STATE], request.match_info["project"], request.match_info["slug"]
    found = state.find(key, slug)
    if found is None:
        raise refused(404, f"Repository {key}/{slug} does not exist.")
    if not state.allows(found, level):
        raise refused(401, "You are not permitted to access this resource")
    return found


def paged(request: web.Request, items: Sequence[dict[str, Any]]) -> web.Response:
    start = int(request.query["start"])
    end = start + min(int(request.query["limit"]), SERVED_AT_ONCE)
    page: dict[str, Any] = {"values": items[start:end], "start": start, "isLastPage": end >= len(items)}
    headers = {"X-AUSERNAME": request.app[STATE].user}
    return web.json_response(page | ({} if page["isLastPage"] else {"nextPageStart": end}), headers=headers)


def shown(hosted: Hosted) -> dict[str, Any]:
    return {
        "slug": slug_of(hosted.name),
        "name": hosted.name,
        "project": {"key": hosted.owner},
        "public": hosted.visibility == "public",
    }


@routes.get(f"{API}/projects")
async def projects(request: web.Request) -> web.Response:
    if "name" not in request.query:
        return web.json_response({"values": []}, headers={"X-AUSERNAME": request.app[STATE].user})
    named = [{"key": key, "name": name} for key, name in request.app[STATE].projects.items()]
    return paged(request, [one for one in named if one["name"].startswith(request.query["name"])])


@routes.get(f"{API}/projects/{{project}}")
async def project(request: web.Request) -> web.Response:
    key = request.match_info["project"].upper()
    if key not in request.app[STATE].projects:
        raise refused(404, f"Project {key} does not exist.")
    return web.json_response({"key": key, "name": request.app[STATE].projects[key]})


@routes.get(f"{API}/repos")
async def repositories(request: web.Request) -> web.Response:
    state, level, name = request.app[STATE], GRANTS[request.query["permission"]], request.query["name"].lower()
    found = [one for one in state.repositories.values() if one.name.lower() == name]
    return paged(request, [shown(one) for one in found if LEVELS.index(one.mine) >= LEVELS.index(level)])


@routes.get(API + REPOSITORY)
async def repository(request: web.Request) -> web.Response:
    return web.json_response(shown(repository_of(request, "read")))


@routes.post(f"{API}/projects/{{project}}/repos")
async def create(request: web.Request) -> web.Response:
    state, key, body = request.app[STATE], request.match_info["project"], await request.json()
    if (key.lower(), slug_of(body["name"])) in state.repositories:
        raise refused(409, "This repository URL is already taken.")
    is_public = body["public"] and state.takes_public_at_once
    made = state.host(body["name"], key, visibility="public" if is_public else "private", created_with=body)
    return web.json_response(shown(made), status=201)


@routes.put(API + REPOSITORY)
async def change(request: web.Request) -> web.Response:
    hosted, body = repository_of(request, "admin"), await request.json()
    hosted.visibility = "public" if body["public"] else "private"
    return web.json_response(shown(hosted))


@routes.get(f"/rest/keys/1.0{REPOSITORY}/ssh")
async def keys(request: web.Request) -> web.Response:
    found = repository_of(request, "admin").keys
    return paged(request, [shown_key(key) for key in found])


def shown_key(key: HostedKey) -> dict[str, Any]:
    permission = "REPO_READ" if key.read_only else "REPO_WRITE"
    return {"key": {"id": key.id, "label": key.title, "text": key.text}, "permission": permission}


@routes.post(f"/rest/keys/1.0{REPOSITORY}/ssh")
async def add_key(request: web.Request) -> web.Response:
    hosted, body = repository_of(request, "admin"), await request.json()
    if any(key.text == body["key"]["text"] for key in hosted.keys):
        raise refused(409, "SSH key already exists")
    number, is_read_only = request.app[STATE].next_id(), body["permission"] == "REPO_READ"
    hosted.keys.append(HostedKey(number, body["key"]["label"], body["key"]["text"], is_read_only))
    return web.json_response(shown_key(hosted.keys[-1]), status=201)


@routes.delete(f"/rest/keys/1.0{REPOSITORY}/ssh/{{id}}")
async def remove_key(request: web.Request) -> web.Response:
    hosted, number = repository_of(request, "admin"), int(request.match_info["id"])
    if number not in [key.id for key in hosted.keys]:
        raise refused(404, "no such key")
    hosted.keys = [key for key in hosted.keys if key.id != number]
    return web.Response(status=204)


@routes.get(f"{API}{REPOSITORY}/permissions/groups")
async def groups(request: web.Request) -> web.Response:
    grants, wanted = repository_of(request, "admin").grants, request.query["filter"]
    return paged(request, [{"group": {"name": g}, "permission": p} for g, p in grants.items() if wanted in g])


@routes.put(f"{API}{REPOSITORY}/permissions/groups")
async def grant(request: web.Request) -> web.Response:
    hosted, group = repository_of(request, "admin"), request.query["name"]
    if group not in request.app[STATE].teams:
        raise refused(404, f"No such group: {group}")
    hosted.grants[group] = request.query["permission"]
    return web.Response(status=204)


@routes.post("/rest/build-status/1.0/commits/{sha}")
async def status(request: web.Request) -> web.Response:
    for hosted in request.app[STATE].repositories.values():
        hosted.statuses.append((request.match_info["sha"], await request.json()))
    return web.Response(status=204)


BITBUCKET_SERVER = Dialect("bitbucket-server", "/rest/", "Authorization", "Bearer {}", routes, BitbucketServer, personal="~{}")
