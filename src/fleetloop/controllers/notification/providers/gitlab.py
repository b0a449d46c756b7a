"""GitLab: commit statuses, comments on merge requests."""

from typing import Any
from urllib.parse import quote

from fleetloop.controllers.notification.delivery_errors import DeliveryFailed
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import go_json
from fleetloop.controllers.notification.providers.comments import Comment, change_request, marked, own_comment
from fleetloop.controllers.notification.providers.commits import repository_of, verdict_of


async def send_status(note: Note, http: Http) -> None:
    verdict = verdict_of(note)
    if verdict is None:
        return
    state = "success" if verdict.is_success else "failed"
    base = _project(note)
    query = f"?name={quote(note.status_id, safe='')}"
    found = await _ask(note, http, "GET", f"{base}/repository/commits/{verdict.sha}/statuses{query}")
    latest = next((s for s in found or [] if isinstance(s, dict) and s.get("name") == note.status_id), {})
    if (latest.get("status"), latest.get("description")) != (state, verdict.description):
        content = {"state": state, "name": note.status_id, "description": verdict.description}
        await _ask(note, http, "POST", f"{base}/statuses/{verdict.sha}", content)


async def send_comment(note: Note, http: Http) -> None:
    notes = f"{_project(note)}/merge_requests/{change_request(note)}/notes"
    listed = await _ask(note, http, "GET", f"{notes}?per_page=100")
    me = await _ask(note, http, "GET", f"{repository_of(note).server}/api/v4/user")
    comments = [Comment(c["id"], c["author"]["username"], c["body"]) for c in listed or []]
    body = {"body": marked(note, "flux-mr-comment-key")}
    if found := own_comment(note, comments, str(me.get("username", "")), "flux-mr-comment-key"):
        await _ask(note, http, "PUT", f"{notes}/{found.id}", body)
    else:
        await _ask(note, http, "POST", notes, body)


def _project(note: Note) -> str:
    """Its path, or its number."""
    repository = repository_of(note)
    return f"{repository.server}/api/v4/projects/{quote(repository.path, safe='')}"


async def _ask(note: Note, http: Http, method: str, url: str, content: Any = None) -> Any:
    access = note.access
    token = access.token or access.password
    if not token:
        raise DeliveryFailed("gitlab token is missing")
    headers = {"Accept": "application/json", "PRIVATE-TOKEN": token}
    if content is None:
        return (await http.send(access, method, url, headers)).json()
    return (await http.send(access, method, url, headers | {"Content-Type": "application/json"}, go_json(content))).json()
