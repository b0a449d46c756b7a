"""GitHub: commit statuses, repository dispatches, comments on pull requests."""

from typing import Any

from fleetloop.controllers.notification.delivery_errors import DeliveryFailed
from fleetloop.controllers.notification.http import Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import event_content, go_json
from fleetloop.controllers.notification.providers.comments import Comment, change_request, marked, own_comment
from fleetloop.controllers.notification.providers.commits import repository_of, verdict_of

_ACCEPT = "application/vnd.github.v3+json"
_LISTED = 50


async def send_status(note: Note, http: Http) -> None:
    verdict = verdict_of(note)
    if verdict is None:
        return
    status = {
        "state": "success" if verdict.is_success else "failure",
        "description": verdict.description,
        "context": note.status_id,
    }
    base = _api(note)
    found = await _ask(note, http, "GET", f"{base}/commits/{verdict.sha}/statuses?per_page={_LISTED}")
    latest = next((s for s in found or [] if isinstance(s, dict) and s.get("context") == note.status_id), {})
    if any(latest.get(key) != value for key, value in status.items()):
        await _ask(note, http, "POST", f"{base}/statuses/{verdict.sha}", status)


async def send_dispatch(note: Note, http: Http) -> None:
    about = note.event.involved_object
    content = {
        "event_type": f"{about.kind}/{about.name}.{about.namespace}",
        "client_payload": event_content(note.event),
    }
    await _ask(note, http, "POST", f"{_api(note)}/dispatches", content)


async def send_comment(note: Note, http: Http) -> None:
    base, body = _api(note), {"body": marked(note, "flux-pr-comment-key")}
    listed = await _ask(note, http, "GET", f"{base}/issues/{change_request(note)}/comments?per_page=100")
    comments = [Comment(c["id"], c["user"]["login"], c["body"]) for c in listed or []]
    me = await _login(note, http)
    if found := own_comment(note, comments, me, "flux-pr-comment-key"):
        await _ask(note, http, "PATCH", f"{base}/issues/comments/{found.id}", body)
    else:
        await _ask(note, http, "POST", f"{base}/issues/{change_request(note)}/comments", body)


async def _login(note: Note, http: Http) -> str:
    """Empty for an App, which is nobody."""
    try:
        found = await _ask(note, http, "GET", f"{_server(note)}/user")
    except DeliveryFailed:
        return ""
    return str(found.get("login", ""))


def _server(note: Note) -> str:
    repository = repository_of(note)
    return "https://api.github.com" if repository.host == "github.com" else f"{repository.server}/api/v3"


def _api(note: Note) -> str:
    owner, name = repository_of(note).owner_and_name()
    return f"{_server(note)}/repos/{owner}/{name}"


async def _ask(note: Note, http: Http, method: str, url: str, content: Any = None) -> Any:
    access = note.access
    token = access.token or access.password
    if not token:
        raise DeliveryFailed("github token or github app details must be specified")
    headers = {"Accept": _ACCEPT, "Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"}
    if content is None:
        return (await http.send(access, method, url, headers)).json()
    return (await http.send(access, method, url, headers | {"Content-Type": "application/json"}, go_json(content))).json()
