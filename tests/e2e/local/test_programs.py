"""The program fleetloop-cluster by itself: what it says when it cannot start, how it ends, what its registry keeps."""

import asyncio
import contextlib
import hashlib
import json
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from fleetloop.local.network import API_PORT
from fleetloop.local.pki import Authority, ensure_service_account_keys
from fleetloop.local.programs import Programs
from fleetloop.local.state import StateFolder

SECONDS = 60.0
MANIFEST = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": {}, "layers": []}
PASSWORD = {"Authorization": aiohttp.encode_basic_auth("ada", "geheim")}
ACCEPT = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}


async def spawn(*arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(str(Programs().cluster), *arguments, stdin=pipe, stdout=pipe, stderr=pipe)


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    async with asyncio.timeout(SECONDS):
        _, errors = await process.communicate()
    return process.returncode, errors.decode()


@contextlib.asynccontextmanager
async def registry(folder: Path, *flags: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await spawn("registry", "--state-dir", str(folder), "--port", "0", "--exit-with-parent", *flags)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(SECONDS):
            yield process, json.loads(await process.stdout.readline())["address"]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_an_unknown_role_is_refused() -> None:
    code, errors = await ended(await spawn("scheduler"))
    assert code == 2
    assert 'unknown role "scheduler"' in errors
    assert "controller-manager" in errors


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    address = StateFolder(tmp_path).network().server
    with contextlib.closing(socket.socket()) as taken:
        taken.bind((address, API_PORT))
        taken.listen()
        flags = ["--state-dir", str(tmp_path / "store"), "--pki-dir", str(tmp_path), "--bind-address", address]
        code, errors = await ended(await spawn("apiserver", *flags))
    assert code == 1
    assert f"port is not free: listen tcp {address}:{API_PORT}: bind: address already in use" in errors


async def test_the_api_server_ends_cleanly_on_sigterm(tmp_path: Path) -> None:
    address = StateFolder(tmp_path).network().server
    authority = Authority.ensure(tmp_path, "test")
    ensure_service_account_keys(tmp_path)
    authority.issue_server("kube-apiserver", [address]).write(tmp_path, "apiserver")
    authority.issue_client("kubelet-client", []).write(tmp_path, "kubelet-client")
    flags = ["--state-dir", str(tmp_path / "store"), "--pki-dir", str(tmp_path), "--bind-address", address]
    process = await spawn("apiserver", *flags, "--unsafe-no-fsync")
    await until_ready(f"https://{address}:{API_PORT}/readyz")
    process.send_signal(signal.SIGTERM)
    assert (await ended(process))[0] == 0


async def until_ready(url: str) -> None:
    async with asyncio.timeout(SECONDS), aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url, ssl=False) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.1)


async def test_the_registry_keeps_blobs_and_tags_over_a_kill(tmp_path: Path) -> None:
    blob = b"content"
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    async with registry(tmp_path) as (_, address), aiohttp.ClientSession(f"http://{address}") as session:
        async with session.post(f"/v2/team/app/blobs/uploads/?digest={digest}", data=blob) as answer:
            assert answer.status == 201
        async with session.put("/v2/team/app/manifests/v1", json=MANIFEST, headers=ACCEPT) as answer:
            assert answer.status == 201
    async with registry(tmp_path) as (_, address), aiohttp.ClientSession(f"http://{address}") as session:
        async with session.get(f"/v2/team/app/blobs/{digest}") as answer:
            assert await answer.read() == blob
        async with session.get("/v2/team/app/manifests/v1") as answer:
            assert json.loads(await answer.read()) == MANIFEST


async def test_the_registry_asks_for_a_password_over_tls(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    accounts.write_text("ada:geheim\n")
    Authority.ensure(tmp_path, "test").issue_server("registry", ["127.0.0.1"]).write(tmp_path, "registry")
    tls = ["--tls-cert-file", str(tmp_path / "registry.crt"), "--tls-private-key-file", str(tmp_path / "registry.key")]
    async with (
        registry(tmp_path / "state", *tls, "--auth-file", str(accounts)) as (_, address),
        aiohttp.ClientSession(f"https://{address}") as session,
    ):
        async with session.get("/v2/", ssl=False) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        async with session.get("/v2/", ssl=False, headers=PASSWORD) as answer:
            assert answer.status == 200


async def test_a_role_ends_when_nobody_holds_its_stdin(tmp_path: Path) -> None:
    async with registry(tmp_path) as (process, _):
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 1


async def test_two_registries_do_not_share_a_folder(tmp_path: Path) -> None:
    async with registry(tmp_path):
        code, errors = await ended(await spawn("registry", "--state-dir", str(tmp_path), "--port", "0"))
    assert code == 1
    assert "in use by another process" in errors
