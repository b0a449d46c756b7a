"""Azure DevOps: commit statuses."""

import base64
import re
from urllib.parse import quote

from fleetloop.controllers.notification.delivery_errors import DeliveryFailed
from fleetloop.controllers.notification.http import JSON, Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import go_json
from fleetloop.controllers.notification.providers.commits import repository_of, verdict_of

_VERSION = "api-version=7.1"
_SERVICE = re.compile(r"https://(?:dev\.azure\.com|[a-z0-9-]+\.visualstudio\.com)")


async def send_status(note: Note, http: Http) -> None:
    """The token is a personal one, or an identity's, which knows no user."""
    verdict = verdict_of(note)
    if verdict is None:
        return
    repository = repository_of(note)
    parts = repository.path.split("/")
    if len(parts) != 4 or parts[2] != "_git":
        raise DeliveryFailed("the address must be of the form https://dev.azure.com/<org>/<project>/_git/<repository>")
    if note.access.is_identity and not _SERVICE.fullmatch(repository.server):
        raise DeliveryFailed("address: a token of Azure is for https://dev.azure.com and https://*.visualstudio.com alone")
    org, project, _, name = (quote(part) for part in parts)
    url = f"{repository.server}/{org}/{project}/_apis/git/repositories/{name}/commits/{verdict.sha}/statuses"
    summary = note.event.metadata.get("summary", "")
    context = {"genre": f"fluxcd:{summary}" if summary else "fluxcd", "name": note.status_id}
    state = "succeeded" if verdict.is_success else "error"
    login = _login(note)
    found = (await http.send(note.access, "GET", f"{url}?latestOnly=true&{_VERSION}", login)).json() or {}
    for status in found.get("value") or []:
        if {key: status.get("context", {}).get(key) for key in context} == context:
            if (status.get("state"), status.get("description")) == (state, verdict.description):
                return
            break
    content = {"state": state, "description": verdict.description, "context": context}
    await http.send(note.access, "POST", f"{url}?{_VERSION}", {**login, **JSON}, go_json(content))


def _login(note: Note) -> dict[str, str]:
    if not note.access.token:
        raise DeliveryFailed("azure devops token is missing")
    if note.access.is_identity:
        return {"Authorization": f"Bearer {note.access.token}"}
    return {"Authorization": "Basic " + base64.b64encode(f":{note.access.token}".encode()).decode()}
