"""SOPS in the two places where it may be: source files before the build, objects after it.

Decrypted bytes go from engine to engine through memory; nothing here writes or keeps them.
"""

import asyncio
import binascii
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from fleetloop.build.calls import call
from fleetloop.build.decryption_keys import keys_of
from fleetloop.build.errors import BuildError, EncryptedSecret
from fleetloop.build.manifest import Manifest, is_secret, kustomize_name_of, name_of
from fleetloop.engine import Engines, Family
from fleetloop.task_group import TaskGroup

SWITCH = "kustomize.toolkit.fluxcd.io/decrypt"  # annotation; "disabled" leaves the object alone
MARKERS = {  # engine/internal/kustomize/secrets.go
    "ini": b"[sops]",
    "dotenv": b"sops_mac=ENC[",
    "yaml": b"mac: ENC[",
    "json": b'"mac": "ENC[',
}
EXTENSIONS = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".dockerconfigjson": "json", ".env": "dotenv", ".ini": "ini"}


NO_IDENTITY = "no identity"
AT_A_TIME = 8  # documents of one build: a slow key service delays its own users


@dataclass(frozen=True, slots=True)
class Lack:
    """A key service that a document needs and the Secret has no credentials for: aws, azure, gcp, vault."""

    service: str
    address: str = ""  # of Vault; of the vault in Azure
    region: str = ""  # of AWS


# Credentials of an identity for a service, as the engine names them; None where there is no such identity. Raises BuildError.
LogIn = Callable[[Lack], Awaitable[Mapping[str, str] | None]]


async def no_login(lack: Lack) -> None:
    """Nothing but the Secret's keys."""


class Decryptor:
    """Decrypts with the keys of one Secret, for one build; raises BuildError for a Secret whose keys cannot be read.

    Credentials that the Secret lacks are asked for when a document turns out to need them, once a build.
    """

    def __init__(self, keys: Mapping[str, bytes], timeout: float, engines: Engines, log_in: LogIn = no_login) -> None:
        self._keys = keys_of(keys)
        self._timeout, self._engines, self._log_in = timeout, engines, log_in
        self._slots, self._logging_in = asyncio.Semaphore(AT_A_TIME), asyncio.Lock()
        self._logins: dict[Lack, str] = {}  # what came of each: "" or the reason against it

    async def decrypt_files(self, files: Sequence[Mapping[str, str]]) -> dict[str, str]:
        """kustomize.secrets' files -> an overlay for kustomize.build: path -> base64. Raises BuildError."""
        try:
            work = [self._decrypt(f["data"], f["format"], f["format"], f["path"]) for f in files]
            data = await self._in_time(_gather(work))
        except BuildError as error:
            raise BuildError(f"error decrypting sources: {error}") from error
        return dict(zip((file["path"] for file in files), data, strict=True))

    async def decrypt_objects(self, objects: Sequence[Manifest]) -> list[Manifest]:
        """Objects in the same order, encrypted ones decrypted. Raises BuildError."""
        return await self._in_time(_gather([self._decrypt_object(manifest) for manifest in objects]))

    async def _in_time(self, work: Awaitable[list[Any]]) -> list[Any]:
        """All documents share the time: a key service that never answers costs its user's build, however many there are."""
        try:
            async with asyncio.timeout(self._timeout):
                return await work
        except TimeoutError:
            raise BuildError(f"decryption: no result within {self._timeout:g} s") from None

    async def _decrypt_object(self, manifest: Manifest) -> Manifest:
        annotations = manifest.get("metadata", {}).get("annotations") or {}
        if str(annotations.get(SWITCH, "")).lower() == "disabled":
            return manifest
        try:
            if is_encrypted(manifest):
                plain = await self._decrypt(encoded(orjson.dumps(manifest)), "json", "json", "object")
                decrypted: Manifest = orjson.loads(b64decode(plain))
                return decrypted
            if is_secret(manifest) and isinstance(data := manifest.get("data"), dict):
                values = await _gather([self._decrypt_value(key, value) for key, value in data.items()])
                return {**manifest, "data": dict(zip(data, values, strict=True))}
        except BuildError as error:
            raise BuildError(f"decryption failed for '{kustomize_name_of(manifest)}': {error}") from error
        return manifest

    async def _decrypt_value(self, key: str, value: Any) -> Any:
        """An encrypted file as the value of a Secret: what it is shows its marker, what it becomes its name."""
        if not isinstance(value, str):
            return value
        try:
            found = format_by_marker(b64decode(value))
        except binascii.Error:
            return value  # the API server has the better message
        return await self._decrypt(value, found, format_by_name(key), f"data.{key}") if found else value

    async def _decrypt(self, data: str, input_format: str, output_format: str, what: str) -> str:
        args = {"data": data, "inputFormat": input_format, "outputFormat": output_format}
        try:
            async with self._slots:
                while True:
                    result = await call(
                        self._engines, Family.SOPS, "sops.decrypt", self._timeout, {**args, "keys": self._keys}, "no result"
                    )
                    if "data" in result:
                        plain: str = result["data"]
                        return plain
                    lacking = [Lack(**lack) for lack in result["lacking"]]
                    reasons = await self._obtain(lacking)
                    if reasons is not None:
                        raise BuildError("; ".join([result["reason"], *reasons]))
        except BuildError as error:
            raise BuildError(f"'{what}': {error}") from error

    async def _obtain(self, lacking: Sequence[Lack]) -> list[str] | None:
        """Logs in to what is lacking. The reasons when that brought nothing, None when it is worth trying again."""
        async with self._logging_in:
            for lack in lacking:
                if lack not in self._logins:
                    self._logins[lack] = await self._try_login(lack)
        reasons = [self._logins[lack] for lack in lacking]
        return None if "" in reasons else [reason for reason in reasons if reason != NO_IDENTITY]

    async def _try_login(self, lack: Lack) -> str:
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._log_in(lack)
        except BuildError as error:
            return str(error)
        except TimeoutError:
            return f"{lack.service} login: no result within {self._timeout:g} s"
        if found is None:
            return NO_IDENTITY
        if lack.service == "vault":
            logins = {**self._keys["vault"].get("logins", {}), lack.address: found["token"]}
            self._keys = {**self._keys, "vault": {**self._keys["vault"], "logins": logins}}
        else:
            self._keys = {**self._keys, lack.service: found}
        return ""


def is_encrypted(manifest: Manifest) -> bool:
    """Whether SOPS encrypted the object as a whole."""
    sops = manifest.get("sops")
    return isinstance(sops, dict) and bool(sops.get("mac"))


def check_decrypted(objects: Sequence[Manifest]) -> None:
    """Raises EncryptedSecret for a Secret that would reach the cluster encrypted. Contract: source-kustomize.md 8.5."""
    for manifest in objects:
        if is_secret(manifest) and "sops" in manifest:
            raise EncryptedSecret(
                f"{name_of(manifest)} is SOPS encrypted, configuring decryption is required for this secret to be reconciled"
            )


def format_by_marker(content: bytes) -> str | None:
    return next((name for name, marker in MARKERS.items() if marker in content), None)


def format_by_name(key: str) -> str:
    return next((name for extension, name in EXTENSIONS.items() if key.endswith(extension)), "binary")


def encoded(content: bytes) -> str:
    return b64encode(content).decode()


async def _gather(work: Sequence[Any]) -> list[Any]:
    """All results, or the first BuildError, with the rest cancelled."""
    try:
        async with TaskGroup() as tasks:
            running = [tasks.create_task(one) for one in work]
    except* BuildError as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in running]
