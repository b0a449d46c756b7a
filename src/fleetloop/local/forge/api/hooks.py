"""Webhooks of a repository: create, list, change, delete, ping. `deliveries` sends them."""

from typing import Any, Literal

import msgspec
from aiohttp import web
from yarl import URL

from ..access import need
from ..forge import Forge
from ..model import Hook, Role
from . import problems
from .call import RepositoryCall, answer, nothing, page, repository_route

READ = need(("webhooks", "read"), role=Role.ADMIN, scope="admin:repo_hook")
WRITE = need(("webhooks", "write"), role=Role.ADMIN, scope="admin:repo_hook")
HOOK_LIMIT = 20  # GitHub: for one event and repository
URL_LIMIT = 2048


class HookConfig(msgspec.Struct):
    url: str = ""
    content_type: Literal["json", "form"] = "form"
    secret: str = ""
    insecure_ssl: str | int = "0"


class NewHook(msgspec.Struct):
    config: HookConfig
    name: str = "web"
    events: list[str] = msgspec.field(default_factory=lambda: ["push"])
    active: bool = True


class HookChange(msgspec.Struct):
    config: HookConfig | None = None
    events: list[str] | None = None
    active: bool | None = None


def hook_of(wish: NewHook, forge: Forge) -> Hook:
    """A new hook; raises the 422 for an address that cannot be called."""
    now, config = forge.now(), wish.config
    url = checked_url(config.url)
    identity, insecure = forge.state.new_id(), str(config.insecure_ssl)
    return Hook(identity, url, config.content_type, config.secret, insecure, wish.events, wish.active, now, now)


def checked_url(text: str) -> str:
    try:
        url = URL(text[:URL_LIMIT])
    except ValueError:
        url = URL()
    if url.scheme not in {"http", "https"} or not url.host or len(text) > URL_LIMIT:
        raise problems.invalid("Hook", "url", "custom", "url must be an absolute http or https URL")
    return text


async def list_hooks(call: RepositoryCall) -> web.Response:
    return page(call, call.repository.hooks, lambda hook: shown(call.url, hook))


async def get_hook(call: RepositoryCall) -> web.Response:
    return answer(shown(call.url, _found(call)))


async def create_hook(call: RepositoryCall) -> web.Response:
    wish, held = await call.body(NewHook), call.repository.hooks
    if any(hook.url == wish.config.url and set(hook.events) & set(wish.events) for hook in held):
        raise problems.Problem(
            422,
            "Validation Failed",
            errors=[{"resource": "Hook", "code": "custom", "message": "Hook already exists on this repository"}],
        )
    if len(held) >= HOOK_LIMIT:
        raise problems.invalid("Hook", "base", "custom", f"The repository has reached the limit of {HOOK_LIMIT} hooks")
    hook = hook_of(wish, call.forge)
    held.append(hook)
    await call.forge.save()
    await _ping(call, hook)
    return answer(shown(call.url, hook), 201, {"Location": f"{call.url}/hooks/{hook.id}"})


async def change_hook(call: RepositoryCall) -> web.Response:
    wish, hook = await call.body(HookChange), _found(call)
    if wish.config:
        hook.url = checked_url(wish.config.url or hook.url)
        hook.content_type, hook.insecure_ssl = wish.config.content_type, str(wish.config.insecure_ssl)
        hook.secret = wish.config.secret or hook.secret
    hook.events = hook.events if wish.events is None else wish.events
    hook.active = hook.active if wish.active is None else wish.active
    hook.updated_at = call.forge.now()
    await call.forge.save()
    return answer(shown(call.url, hook))


async def delete_hook(call: RepositoryCall) -> web.Response:
    call.repository.hooks.remove(_found(call))
    await call.forge.save()
    return nothing()


async def ping_hook(call: RepositoryCall) -> web.Response:
    await _ping(call, _found(call))
    return nothing()


def shown(url: str, hook: Hook) -> dict[str, Any]:
    """Schema hook; `url` is the repository's. The secret is masked, as GitHub does."""
    here = f"{url}/hooks/{hook.id}"
    config = {"url": hook.url, "content_type": hook.content_type, "insecure_ssl": hook.insecure_ssl}
    return {
        "type": "Repository",
        "id": hook.id,
        "name": "web",
        "active": hook.active,
        "events": hook.events,
        "config": config | ({"secret": "********"} if hook.secret else {}),
        "updated_at": hook.updated_at,
        "created_at": hook.created_at,
        "url": here,
        "test_url": f"{here}/test",
        "ping_url": f"{here}/pings",
        "deliveries_url": f"{here}/deliveries",
        "last_response": {"code": hook.last_code, "status": hook.last_status, "message": hook.last_message},
    }


async def _ping(call: RepositoryCall, hook: Hook) -> None:
    if call.forge.listener:
        await call.forge.listener.pinged(call.repository, call.person.login, hook)


def _found(call: RepositoryCall) -> Hook:
    wanted = call.number("hook_id")
    for hook in call.repository.hooks:
        if hook.id == wanted:
            return hook
    raise problems.not_found("/repos/webhooks")


ROUTES = [
    repository_route("GET", "/hooks", READ, list_hooks),
    repository_route("POST", "/hooks", WRITE, create_hook),
    repository_route("GET", "/hooks/{hook_id}", READ, get_hook),
    repository_route("PATCH", "/hooks/{hook_id}", WRITE, change_hook),
    repository_route("DELETE", "/hooks/{hook_id}", WRITE, delete_hook),
    repository_route("POST", "/hooks/{hook_id}/pings", need(("webhooks", "read"), role=Role.ADMIN), ping_hook),
]
