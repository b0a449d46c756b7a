"""People and organisations: who the caller is, and what others may see of them."""

from aiohttp import web

from ..model import Account, Repository
from . import problems, shapes
from .call import Call, OrganizationCall, answer, organization_route, route


async def current_user(call: Call) -> web.Response:
    return answer(_user(call, call.person))


async def get_user(call: Call) -> web.Response:
    account = call.forge.state.account(call.part("username"))
    if account is None:
        raise problems.not_found("/users/users#get-a-user")
    return answer(_user(call, account))


async def get_organization(call: OrganizationCall) -> web.Response:
    public = sum(not repository.private for repository in _owned(call, call.organization))
    return answer(shapes.organization(call.api, call.organization, public))


def _user(call: Call, account: Account) -> dict[str, object]:
    """Schema private-user for oneself, public-user for others."""
    owned = _owned(call, account)
    private = sum(repository.private for repository in owned)
    shown = shapes.private_user(call.api, account, len(owned) - private, private)
    if call.caller and call.caller.account is account:
        return shown
    return {name: value for name, value in shown.items() if name not in shapes.PRIVATE_FIELDS} | {"email": None}


def _owned(call: Call, account: Account) -> list[Repository]:
    return [found for found in call.forge.state.repositories.values() if found.owner == account.login]


ROUTES = [
    route("GET", "/user", current_user),
    route("GET", "/users/{username}", get_user),
    organization_route("GET", "", get_organization),
]
