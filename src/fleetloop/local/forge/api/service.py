"""What the service says about itself: its root, `meta`, and how many requests are left."""

from aiohttp import web

from ..rate_limit import RateLimit
from .call import CALLER, Call, answer, route

RATE_LIMIT = web.AppKey("rate_limit", RateLimit)
ENTERPRISE_VERSION = "3.19.0"


async def root(call: Call) -> web.Response:
    api = call.api
    return answer(
        {
            "current_user_url": f"{api}/user",
            "organization_url": f"{api}/orgs/{{org}}",
            "rate_limit_url": f"{api}/rate_limit",
            "repository_url": f"{api}/repos/{{owner}}/{{repo}}",
            "user_repositories_url": f"{api}/users/{{user}}/repos{{?type,page,per_page,sort}}",
        }
    )


async def meta(call: Call) -> web.Response:
    return answer({"verifiable_password_authentication": False, "installed_version": ENTERPRISE_VERSION})


async def rate_limit(call: Call) -> web.Response:
    allowance = call.request.app[RATE_LIMIT].look(counted_as(call.request))
    return answer({"resources": {"core": allowance.fields, "search": allowance.fields}, "rate": allowance.fields})


def counted_as(request: web.Request) -> str:
    """Whose requests this one counts among: the person's, or the address's for anonymous ones."""
    caller = request.get(CALLER)
    return f"user ID {caller.account.id}" if caller else str(request.remote)


ROUTES = [
    route("GET", "/", root),
    route("GET", "/meta", meta),
    route("GET", "/rate_limit", rate_limit),
]
