"""Git over HTTPS: authorises, then hands the request to git's own `http-backend`, streaming both ways.

Smart protocol only. The repository's folder is chosen here; the client's path never reaches the file system.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from fleetloop.task_group import TaskGroup

from .access import Caller, Verdict, judge, need
from .api.call import CALLER, FORGE, secret_of
from .bare_git import clean_environment, stop_group
from .forge import Forge
from .model import Repository, Role

TRANSFER_TIMEOUT = 600.0  # seconds for one fetch or push
PUSH_LIMIT = 1024 * 1024 * 1024  # bytes of a pack
HEADER_LIMIT = 64 * 1024
CHUNK = 64 * 1024
FETCH = need(("contents", "read"), role=Role.PULL)
PUSH = need(("contents", "write"), role=Role.PUSH)
SERVICES = {"git-upload-pack": FETCH, "git-receive-pack": PUSH}
PROTOCOL = re.compile(r"[a-z0-9=:.-]{1,100}")
CHALLENGE = {"WWW-Authenticate": 'Basic realm="fleetloop forge"'}


class Refused(Exception):
    """An answer that git shows to its user."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def answer(self) -> web.Response:
        headers = CHALLENGE if self.status == 401 else None
        return web.Response(status=self.status, text=f"{self}\n", headers=headers)


async def advertise(request: web.Request) -> web.StreamResponse:
    """GET info/refs?service=…: what the server has."""
    service = request.query.get("service", "")
    if service not in SERVICES:
        return Refused(403, "Please upgrade your git client: only the smart protocol is served.").answer()
    return await _serve(request, service, "info/refs", f"service={service}")


async def exchange(request: web.Request) -> web.StreamResponse:
    """POST git-upload-pack or git-receive-pack: a fetch or a push."""
    service = request.match_info["service"]
    return await _serve(request, service, service, "")


async def _serve(request: web.Request, service: str, path: str, query: str) -> web.StreamResponse:
    forge = request.app[FORGE]
    try:
        caller = _caller_of(request, forge)
        repository = _authorised(request, forge, caller, service)
    except Refused as refused:
        return refused.answer()
    actor = caller.account.login if caller else ""
    environment = _cgi_environment(request, forge, repository, path, query, actor)
    try:
        async with asyncio.timeout(TRANSFER_TIMEOUT):
            response = await _run_backend(request, environment)
    finally:
        if service == "git-receive-pack" and request.method == "POST":
            await forge.refs_changed(repository, actor)
    with suppress(ConnectionError):
        await response.write_eof()  # so that whoever sees the push end also sees what follows from it
    return response


def _caller_of(request: web.Request, forge: Forge) -> Caller | None:
    header = request.headers.get("Authorization")
    if header is None:
        return None
    if caller := forge.caller_of_token(secret_of(header)):
        request[CALLER] = caller
        return caller
    raise Refused(401, "Invalid username or token. Password authentication is not supported for Git operations.")


def _authorised(request: web.Request, forge: Forge, caller: Caller | None, service: str) -> Repository:
    repository = forge.state.repository(request.match_info["owner"], request.match_info["repo"])
    verdict = judge(forge.state, caller, repository, SERVICES[service]) if repository else Verdict.INVISIBLE
    if repository and verdict is Verdict.GRANTED:
        if service == "git-receive-pack" and repository.archived:
            raise Refused(403, "This repository was archived so it is read-only.")
        return repository
    if caller is None:
        raise Refused(401, "Authentication required.")
    if repository is None or verdict is Verdict.INVISIBLE:
        raise Refused(404, "Repository not found.")
    if verdict is Verdict.TOKEN_LACKS and service == "git-receive-pack":
        raise Refused(403, "Write access to repository not granted.")
    raise Refused(403, f"Permission to {repository.full_name}.git denied to {caller.account.login}.")


def _cgi_environment(
    request: web.Request, forge: Forge, repository: Repository, path: str, query: str, actor: str
) -> dict[str, str]:
    folder = forge.git(repository).path
    protocol = request.headers.get("Git-Protocol", "")
    return clean_environment(
        {
            "GIT_PROJECT_ROOT": str(folder.parent),
            "PATH_INFO": f"/{folder.name}/{path}",
            "QUERY_STRING": query,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.content_type if request.method == "POST" else "",
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": actor,
            "REMOTE_ADDR": request.remote or "",
            **receive_settings(repository),
            **({"GIT_PROTOCOL": protocol} if PROTOCOL.fullmatch(protocol) else {}),
        }
    )


def receive_settings(repository: Repository) -> dict[str, str]:
    """Configuration for git's server side, as environment: limits, and protected branches closed to pushes."""
    pairs = [
        ("http.receivepack", "true"),
        ("receive.maxInputSize", str(PUSH_LIMIT)),
        ("receive.fsckObjects", "true"),
        ("receive.autogc", "false"),
        ("transfer.advertiseSID", "false"),
        ("uploadpack.allowFilter", "true"),
        ("uploadpack.allowAnySHA1InWant", "true"),
        *(("receive.hideRefs", f"refs/heads/{branch}") for branch in repository.protected),
    ]
    settings = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (key, value) in enumerate(pairs):
        settings[f"GIT_CONFIG_KEY_{number}"], settings[f"GIT_CONFIG_VALUE_{number}"] = key, value
    return settings


async def _run_backend(request: web.Request, environment: dict[str, str]) -> web.StreamResponse:
    async with _backend(environment) as process, TaskGroup() as tasks:
        assert process.stdin and process.stdout
        feeding = tasks.create_task(_feed(request, process.stdin))
        response = _response_of(await _headers(process.stdout))
        with suppress(ConnectionError):  # a client that went away needs no answer; leaving ends the backend
            await response.prepare(request)
            while chunk := await process.stdout.read(CHUNK):
                await response.write(chunk)
            await process.wait()
        feeding.cancel()
    return response


@asynccontextmanager
async def _backend(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=HEADER_LIMIT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        await stop_group(process)


async def _feed(request: web.Request, stdin: asyncio.StreamWriter) -> None:
    """Copy the request's body, already unzipped by the HTTP library, to the backend; end it when the client goes away."""
    try:
        async for chunk in request.content.iter_chunked(CHUNK):
            if stdin.is_closing():
                return  # the backend stopped reading and says why in its answer
            stdin.write(chunk)
            await stdin.drain()
    except (ConnectionError, web.RequestPayloadError):
        return
    finally:
        stdin.close()


async def _headers(stdout: asyncio.StreamReader) -> list[tuple[str, str]]:
    """The CGI header block."""
    found: list[tuple[str, str]] = []
    while line := (await stdout.readline()).decode("latin-1").rstrip("\r\n"):
        name, _, value = line.partition(":")
        found.append((name.strip(), value.strip()))
    return found


def _response_of(headers: list[tuple[str, str]]) -> web.StreamResponse:
    status = next((value for name, value in headers if name.lower() == "status"), "200" if headers else "500")
    response = web.StreamResponse(status=int(status.split()[0]))
    for name, value in headers:
        if name.lower() not in {"status", "content-length"}:
            response.headers[name] = value
    return response


ROUTES = [
    web.get(r"/{owner}/{repo:[^/]+?}{suffix:(\.git)?}/info/refs", advertise),
    web.post(r"/{owner}/{repo:[^/]+?}{suffix:(\.git)?}/{service:git-upload-pack|git-receive-pack}", exchange),
]
