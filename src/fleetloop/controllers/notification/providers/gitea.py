"""Gitea and Forgejo: commit statuses, comments on pull requests."""

from typing import Any

from fleetloop.controllers.notification.delivery_errors import DeliveryFailed
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import go_json
from fleetloop.controllers.notification.providers.comments import Comment, change_request, marked, own_comment
from fleetloop.controllers.notification.providers.commits import repository_of, sha_of
from fleetloop.controllers.notification.providers.reasons import PROGRESSING, words_of


async def send_status(note: Note, http: Http) -> None:
    """The one forge that is told of what is under way."""
    state = "failure" if note.is_error else "pending" if note.event.reason == PROGRESSING else "success"
    base, sha = _api(note), sha_of(note)
    status = {"state": state, "description": words_of(note.event.reason), "context": note.status_id}
    found = await _ask(note, http, "GET", f"{base}/commits/{sha}/statuses")
    latest = next((s for s in found or [] if isinstance(s, dict) and s.get("context") == note.status_id), {})
    if (latest.get("status"), latest.get("description")) != (state, status["description"]):
        await _ask(note, http, "POST", f"{base}/statuses/{sha}", status)


async def send_comment(note: Note, http: Http) -> None:
    base, body = _api(note), {"body": marked(note, "flux-pr-comment-key")}
    listed = await _ask(note, http, "GET", f"{base}/issues/{change_request(note)}/comments")
    me = await _ask(note, http, "GET", f"{repository_of(note).server}/api/v1/user")
    comments = [Comment(c["id"], c["user"]["login"], c["body"]) for c in listed or []]
    if found := own_comment(note, comments, str(me.get("login", "")), "flux-pr-comment-key"):
        await _ask(note, http, "PATCH", f"{base}/issues/comments/{found.id}", body)
    else:
        await _ask(note, http, "POST", f"{base}/issues/{change_request(note)}/comments", body)


def _api(note: Note) -> str:
    repository = repository_of(note)
    owner, name = repository.owner_and_name()
    return f"{repository.server}/api/v1/repos/{owner}/{name}"


async def _ask(note: Note, http: Http, method: str, url: str, content: Any = None) -> Any:
    access = note.access
    token = access.token or access.password
    if not token:
        raise DeliveryFailed("gitea token is missing")
    headers = {"Authorization": f"token {token}"}
    if content is None:
        return (await http.send(access, method, url, headers)).json()
    return (await http.send(access, method, url, headers | {"Content-Type": "application/json"}, go_json(content))).json()
