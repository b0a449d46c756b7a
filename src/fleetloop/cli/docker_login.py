"""Who `docker login` (or podman's) says we are at a registry, credential helpers included."""

import asyncio
import json
import re
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetloop.cli.errors import CliError

if TYPE_CHECKING:
    from fleetloop.oci import Keychain, Login, Repository

HELPER_PATIENCE = 30.0  # seconds; one may ask the person for a password
_HELPER = re.compile(r"[A-Za-z0-9._-]+")
_HUB = "https://index.docker.io/v1/"
_TOKEN_USER = "<token>"  # a helper's way to say that the secret is an identity token


async def docker_keychain(repository: "Repository", environment: Mapping[str, str]) -> "Keychain":
    """What opens this repository; empty for nobody. Raises CliError."""
    from fleetloop.oci import AuthenticationFailed, Keychain

    path = next((path for path in _places(environment) if path.is_file()), None)
    if path is None:
        return Keychain()
    try:
        raw = await asyncio.to_thread(path.read_bytes)
        document = json.loads(raw)
        if helper := _helper_for(document, repository):
            return Keychain([(repository.host, await _ask(helper, repository, environment))])
        return Keychain.of_docker_config(raw)
    except (OSError, ValueError, AttributeError, AuthenticationFailed):
        raise CliError(f"{path}: the registries' credentials cannot be read") from None


def _places(environment: Mapping[str, str]) -> Iterator[Path]:
    if folder := environment.get("DOCKER_CONFIG"):
        yield Path(folder, "config.json")
        return
    yield Path(environment.get("HOME") or "/", ".docker", "config.json")
    if file := environment.get("REGISTRY_AUTH_FILE"):
        yield Path(file)
    if folder := environment.get("XDG_RUNTIME_DIR"):
        yield Path(folder, "containers", "auth.json")


def _helper_for(document: dict[str, Any], repository: "Repository") -> str:
    """The program that keeps the credentials; "" where the file does."""
    own = (document.get("credHelpers") or {}).get(repository.host)
    return str(own or document.get("credsStore") or "")


async def _ask(helper: str, repository: "Repository", environment: Mapping[str, str]) -> "Login":
    """Nobody, where it knows nothing. Raises CliError."""
    from fleetloop.oci import NOBODY, Login

    program = f"docker-credential-{helper}"
    if not _HELPER.fullmatch(helper):
        raise CliError(f"'{program}' is no name of a credential helper")
    server = _HUB if repository.host == "index.docker.io" else repository.host
    try:
        process = await asyncio.create_subprocess_exec(
            program, "get", stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=dict(environment)
        )
    except OSError as error:
        raise CliError(f"{program}: {(error.strerror or str(error)).lower()}") from None
    try:
        async with asyncio.timeout(HELPER_PATIENCE):
            output, _ = await process.communicate(server.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        return NOBODY
    found = json.loads(output)
    username, secret = str(found.get("Username") or ""), str(found.get("Secret") or "")
    return Login(token=secret) if username == _TOKEN_USER else Login(username, secret)
