"""Git over SSH: deploy keys and keys of users, `git-upload-pack` and `git-receive-pack` only.

No shell, no forwarding, no other command.
"""

import asyncio
import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from .access import Caller, Verdict, judge
from .bare_git import clean_environment, stop_group
from .forge import DeployKey, Forge
from .model import Repository
from .smart_http import PROTOCOL, SERVICES, TRANSFER_TIMEOUT, receive_settings
from .store import replace_file

LOGIN_TIMEOUT = 30.0  # seconds until a client must have shown a key
KEEPALIVE = 60.0  # seconds; who does not answer three is disconnected
TARGET = re.compile(r"/?(?P<owner>[^/]+)/(?P<repo>[^/]+?)(?:\.git)?/?")


class Refused(Exception):
    """What the client's git prints after `ERROR: `."""


@dataclass(frozen=True, slots=True)
class Request:
    """A fetch or push that may go on."""

    service: str
    repository: Repository
    actor: str


class Login(asyncssh.SSHServer):
    """One connection: accepts the user `git` with a key the forge knows."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        text = " ".join(key.export_public_key().decode().split()[:2])
        holder = self._forge.owner_of_key(text) if username == "git" else None
        self._connection.set_extra_info(holder=holder)
        return holder is not None


def host_key(folder: Path) -> asyncssh.SSHKey:
    """The server's own key, made once and kept. Blocking."""
    file = folder / "ssh_host_ed25519_key"
    if not file.exists():
        replace_file(file, asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    return asyncssh.read_private_key(file)


@asynccontextmanager
async def listening(forge: Forge, address: str, port: int) -> AsyncIterator[int]:
    """Serve until left; yields the port (which `port` 0 lets the system choose)."""
    key = await asyncio.to_thread(host_key, forge.folder)

    async def serve(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        process.exit(await _answer(forge, process))
        await process.wait_closed()

    server = await asyncssh.create_server(
        lambda: Login(forge),
        address,
        port,
        server_host_keys=[key],
        process_factory=serve,
        encoding=None,
        line_editor=False,
        allow_pty=False,
        agent_forwarding=False,
        x11_forwarding=False,
        login_timeout=LOGIN_TIMEOUT,
        keepalive_interval=KEEPALIVE,
        server_version="fleetloop-forge",
    )
    try:
        yield server.get_port()
    finally:
        server.close()


async def _answer(forge: Forge, process: "asyncssh.SSHServerProcess[bytes]") -> int:
    """Run the command of one session; returns its exit status."""
    try:
        request = authorised(forge, process.get_extra_info("holder"), process.command)
    except Refused as refused:
        process.stderr.write(f"ERROR: {refused}\n".encode())
        return 1
    protocol = process.env.get("GIT_PROTOCOL", "")
    try:
        async with asyncio.timeout(TRANSFER_TIMEOUT):
            return await _run(forge, request, protocol if PROTOCOL.fullmatch(protocol) else "", process)
    except TimeoutError:
        return 1
    finally:
        if request.service == "git-receive-pack":
            await forge.refs_changed(request.repository, request.actor)


def authorised(forge: Forge, holder: Caller | DeployKey | None, command: str | None) -> Request:
    """Parse and judge `git-upload-pack '/owner/name.git'`; raises Refused."""
    service, repository = _parsed(forge, command)
    if isinstance(holder, DeployKey):
        if repository is None or holder.repository.id != repository.id:
            raise Refused("Repository not found.")
        if holder.key not in repository.keys:
            raise Refused("The key you are authenticating with was removed.")
        if service == "git-receive-pack" and holder.key.read_only:
            raise Refused("The key you are authenticating with has been marked as read only.")
        actor = holder.key.added_by or repository.owner
    elif holder and repository:
        verdict = judge(forge.state, holder, repository, SERVICES[service])
        if verdict is Verdict.INVISIBLE:
            raise Refused("Repository not found.")
        if verdict is not Verdict.GRANTED:
            raise Refused(f"Permission to {repository.full_name}.git denied to {holder.account.login}.")
        actor = holder.account.login
    else:
        raise Refused("Repository not found.")
    if service == "git-receive-pack" and repository.archived:
        raise Refused("This repository was archived so it is read-only.")
    return Request(service, repository, actor)


def _parsed(forge: Forge, command: str | None) -> tuple[str, Repository | None]:
    try:
        words = shlex.split(command or "")
    except ValueError as error:
        raise Refused("Invalid command.") from error
    if words[:1] == ["git"]:  # `git upload-pack`, the older spelling
        words = [f"git-{words[1]}", *words[2:]] if len(words) > 1 else []
    target = TARGET.fullmatch(words[1]) if len(words) == 2 else None
    if target is None or words[0] not in SERVICES:
        raise Refused("Only git fetch and push are served here; there is no shell access.")
    return words[0], forge.state.repository(target["owner"], target["repo"])


async def _run(forge: Forge, request: Request, protocol: str, process: "asyncssh.SSHServerProcess[bytes]") -> int:
    settings = receive_settings(request.repository) | ({"GIT_PROTOCOL": protocol} if protocol else {})
    child = await asyncio.create_subprocess_exec(
        "git",
        request.service.removeprefix("git-"),
        str(forge.git(request.repository).path),
        env=clean_environment(settings),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
        await child.wait()
        await process.stdout.drain()
        return child.returncode or 0
    finally:
        await stop_group(child)
