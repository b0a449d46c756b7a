"""Deploy keys of a repository."""

import base64
import binascii
from typing import Any

import msgspec
from aiohttp import web

from ..access import need
from ..model import PublicKey, Role
from . import problems, shapes
from .call import RepositoryCall, answer, nothing, page, repository_route

KEY_LIMIT = 16 * 1024  # characters
KEY_TYPES = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)
READ = need(("administration", "read"), role=Role.ADMIN)
WRITE = need(("administration", "write"), role=Role.ADMIN)


class NewKey(msgspec.Struct):
    key: str
    title: str = ""
    read_only: bool = False


def normal_key(text: str) -> str:
    """`type base64` without comment; raises ValueError for what is not a public key."""
    kind, _, rest = text.strip().partition(" ")
    encoded = rest.split(" ", 1)[0]
    blob = base64.b64decode(encoded, validate=True)
    length = int.from_bytes(blob[:4], "big")
    if kind not in KEY_TYPES or blob[4 : 4 + length].decode("ascii", "replace") != kind or len(blob) <= 4 + length:
        raise ValueError("key is not of a type the forge knows")
    return f"{kind} {encoded}"


async def list_keys(call: RepositoryCall) -> web.Response:
    return page(call, call.repository.keys, lambda key: _shown(call, key))


async def get_key(call: RepositoryCall) -> web.Response:
    return answer(_shown(call, _found(call)))


async def create_key(call: RepositoryCall) -> web.Response:
    """GitHub: a key may be attached once in the whole forge, whatever its title."""
    wish = await call.body(NewKey)
    try:
        text = normal_key(wish.key[:KEY_LIMIT])
    except (ValueError, binascii.Error) as error:
        message = "key is invalid. You must supply a key in OpenSSH public key format"
        raise problems.invalid("PublicKey", "key", "custom", message) from error
    if call.forge.owner_of_key(text):
        raise problems.invalid("PublicKey", "key", "custom", "key is already in use")
    forge = call.forge
    title = wish.title or "unnamed"
    key = PublicKey(forge.state.new_id(), title, text, wish.read_only, forge.now(), call.person.login)
    call.repository.keys.append(key)
    await forge.save()
    return answer(_shown(call, key), 201, {"Location": f"{call.url}/keys/{key.id}"})


async def delete_key(call: RepositoryCall) -> web.Response:
    call.repository.keys.remove(_found(call))
    await call.forge.save()
    return nothing()


def _found(call: RepositoryCall) -> PublicKey:
    wanted = call.number("key_id")
    for key in call.repository.keys:
        if key.id == wanted:
            return key
    raise problems.not_found("/deploy-keys/deploy-keys")


def _shown(call: RepositoryCall, key: PublicKey) -> dict[str, Any]:
    return shapes.deploy_key(call.url, key)


ROUTES = [
    repository_route("GET", "/keys", READ, list_keys),
    repository_route("POST", "/keys", WRITE, create_key),
    repository_route("GET", "/keys/{key_id}", READ, get_key),
    repository_route("DELETE", "/keys/{key_id}", WRITE, delete_key),
]
