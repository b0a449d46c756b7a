"""What the forges have in common: requests that must succeed, listings in pages, and a deploy key brought about."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fleetloop.forge.errors import ForgeAnswered, ForgeError, NotTheOwner
from fleetloop.forge.forge import Change, DeployKey
from fleetloop.forge.http import Http


async def get(http: Http, path: str) -> Any:
    answer = await http.read(path)
    answer.raise_for_status()
    return answer.body


async def write(http: Http, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    answer = await http.write(method, path, body)
    answer.raise_for_status()
    return answer.body


async def numbered_pages(http: Http, path: str, size: str, count: int) -> AsyncIterator[dict[str, Any]]:
    """All items of a listing by `page=`; `size` is the name of the parameter that `count` goes into.

    Ends at an empty page: a server may give less than it was asked for. An error is raised, not taken for the end.
    """
    separator, page = "&" if "?" in path else "?", 1
    while found := await get(http, f"{path}{separator}{size}={count}&page={page}"):
        for item in found:
            yield item
        page += 1


@dataclass(frozen=True, slots=True)
class PresentKey:
    """A deploy key as the forge has it. `id` is the forge's."""

    id: int
    key: DeployKey


Add = Callable[[DeployKey], Awaitable[Any]]
Remove = Callable[[int], Awaitable[Any]]


async def ensure_key(present: PresentKey | None, wanted: DeployKey, add: Add, remove: Remove) -> Change[None]:
    """The key under this title is the one given; an equal one stays (⚠ 15). A new key is added before the old goes."""
    if present is None:
        await add(wanted)
        return Change(None, "created")
    has_text = present.key.text == wanted.text
    if has_text and present.key.read_only == wanted.read_only:
        return Change(None, "unchanged")
    if has_text:  # the same key cannot be there twice
        await remove(present.id)
        await add(wanted)
    else:
        await add(wanted)
        await remove(present.id)
    return Change(None, "changed")


async def require_own(current_user: Callable[[], Awaitable[str]], owner: str) -> None:
    """A personal repository is made for the token's user alone. Raises NotTheOwner."""
    try:
        user = await current_user()
    except ForgeAnswered as error:
        raise ForgeError("unable to get owner from API") from error
    if user.lower() != owner.lower():
        raise NotTheOwner(owner)


def require_named(owner: str, name: str) -> None:
    if not owner or not name:
        raise ForgeError(f"{'owner' if not owner else 'repository'} is required")
