"""Bitbucket, in the cloud and on one's own server: commit statuses."""

import hashlib
from typing import Any

import aiohttp

from fleetloop.controllers.notification.delivery_errors import DeliveryFailed, TryAgain
from fleetloop.controllers.notification.http import JSON, SHOWN, Http
from fleetloop.controllers.notification.note import Note
from fleetloop.controllers.notification.payload import go_json
from fleetloop.controllers.notification.providers.commits import Verdict, repository_of, verdict_of
from fleetloop.controllers.notification.providers.sending import address_of, token_of

_SERVER_HEADERS = {"X-Atlassian-Token": "no-check", "X-Requested-With": "XMLHttpRequest"}


async def send_status(note: Note, http: Http) -> None:
    """The token is `<user>:<app password>`."""
    verdict = verdict_of(note)
    if verdict is None:
        return
    user, colon, password = token_of(note).partition(":")
    if not colon:
        raise DeliveryFailed("invalid token format, expected <user>:<password>")
    repository = repository_of(note)
    owner, name = repository.owner_and_name()
    server = "https://api.bitbucket.org" if repository.host == "bitbucket.org" else repository.server
    base = f"{server}/2.0/repositories/{owner}/{name}/commit/{verdict.sha}/statuses/build"
    login = {"Authorization": aiohttp.encode_basic_auth(user, password)}
    status = {**_status(note, verdict), "name": _name(note), "url": "https://bitbucket.org"}
    await _set(note, http, f"{base}/{status['key']}", base, login, status)


async def send_server_status(note: Note, http: Http) -> None:
    verdict = verdict_of(note)
    if verdict is None:
        return
    address, access = address_of(note), note.access
    repository = repository_of(note)
    before, scm, after = f"/{repository.path}".rpartition("/scm/")
    parts = after.split("/")
    if not scm or len(parts) != 2 or not address.startswith(("http://", "https://")):
        raise DeliveryFailed("the address must be an http or https clone URL of the form /scm/<project>/<repository>")
    if access.token:
        login = {"Authorization": f"Bearer {access.token}"}
    elif access.username:
        login = {"Authorization": aiohttp.encode_basic_auth(access.username, access.password)}
    else:
        raise DeliveryFailed("bitbucket server credentials are missing: a token, or a username and password")
    api = f"{repository.server}{before}/rest/api/latest/projects/{parts[0]}/repos/{parts[1]}/commits/{verdict.sha}/builds"
    status = {**_status(note, verdict), "name": f"{_name(note)} [{verdict.description}]", "url": address}
    await _set(note, http, f"{api}?key={status['key']}", api, {**login, **_SERVER_HEADERS}, dict(sorted(status.items())))


def _name(note: Note) -> str:
    about = note.event.involved_object
    return f"{about.kind}/{about.name}".lower()


def _status(note: Note, verdict: Verdict) -> dict[str, str]:
    key = hashlib.sha1(note.status_id.encode(), usedforsecurity=False).hexdigest()  # keys are 40 characters at most
    state = "SUCCESSFUL" if verdict.is_success else "FAILED"
    return {"state": state, "key": key, "description": verdict.description}


async def _set(note: Note, http: Http, look: str, post: str, headers: dict[str, str], status: dict[str, Any]) -> None:
    """A status that stands already is not given again."""
    answer = await http.ask(note.access, "GET", look, headers)
    if answer.status not in (200, 404):
        kind = TryAgain if answer.status >= 500 else DeliveryFailed
        raise kind(f"could not get existing commit status: status code {answer.status}, {answer.text[:SHOWN]}")
    found = answer.json() if answer.status == 200 else None
    present = found if isinstance(found, dict) else {}
    if any(present.get(key) != status[key] for key in ("state", "description", "name")):
        await http.send(note.access, "POST", post, {**headers, **JSON}, go_json(status))
