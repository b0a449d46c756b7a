"""Comments on pull requests, by the paths of issues as GitHub has them. There are no issues here."""

from typing import Any

import msgspec
from aiohttp import web

from ..access import need_any, role_on
from ..model import Comment, Role
from . import problems, pull_shapes
from .call import RepositoryCall, answer, nothing, page, repository_route
from .pulls import found_pull, place_of

READ = need_any(("issues", "read"), ("pull_requests", "read"), role=Role.PULL)
WRITE = need_any(("issues", "write"), ("pull_requests", "write"), role=Role.PULL)
BODY_LIMIT = 65536  # characters; GitHub's


class NewComment(msgspec.Struct):
    body: str


async def list_comments(call: RepositoryCall) -> web.Response:
    number = found_pull(call).number
    found = [comment for comment in call.repository.comments if comment.issue == number]
    return page(call, found, lambda comment: _shown(call, comment))


async def create_comment(call: RepositoryCall) -> web.Response:
    wish, pull, forge = await call.body(NewComment), found_pull(call), call.forge
    now = forge.now()
    comment = Comment(forge.state.new_id(), pull.number, call.person.login, _checked(wish.body), now, now)
    call.repository.comments.append(comment)
    await forge.save()
    location = {"Location": f"{call.url}/issues/comments/{comment.id}"}
    return answer(_shown(call, comment), 201, location)


async def get_comment(call: RepositoryCall) -> web.Response:
    return answer(_shown(call, _found(call)))


async def change_comment(call: RepositoryCall) -> web.Response:
    wish, comment = await call.body(NewComment), _own(call)
    comment.body, comment.updated_at = _checked(wish.body), call.forge.now()
    await call.forge.save()
    return answer(_shown(call, comment))


async def delete_comment(call: RepositoryCall) -> web.Response:
    call.repository.comments.remove(_own(call))
    await call.forge.save()
    return nothing()


def _found(call: RepositoryCall) -> Comment:
    wanted = call.number("comment_id")
    for comment in call.repository.comments:
        if comment.id == wanted:
            return comment
    raise problems.not_found("/issues/comments")


def _own(call: RepositoryCall) -> Comment:
    """The comment, for its author or whoever may push."""
    comment = _found(call)
    role = role_on(call.forge.state, call.person.login, call.repository)
    if comment.author != call.person.login and role < Role.PUSH:
        raise problems.forbidden("Must have admin rights to Repository.")
    return comment


def _checked(body: str) -> str:
    if not body.strip() or len(body) > BODY_LIMIT:
        raise problems.invalid("IssueComment", "body", "missing" if not body.strip() else "custom")
    return body


def _shown(call: RepositoryCall, comment: Comment) -> dict[str, Any]:
    author = call.forge.state.accounts[comment.author.lower()]
    return pull_shapes.comment(place_of(call), comment, author)


ROUTES = [
    repository_route("GET", "/issues/{number:[0-9]+}/comments", READ, list_comments),
    repository_route("POST", "/issues/{number:[0-9]+}/comments", WRITE, create_comment),
    repository_route("GET", "/issues/comments/{comment_id}", READ, get_comment),
    repository_route("PATCH", "/issues/comments/{comment_id}", WRITE, change_comment),
    repository_route("DELETE", "/issues/comments/{comment_id}", WRITE, delete_comment),
]
