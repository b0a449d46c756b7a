"""Which files of a source are decrypted, as what, and what is refused. Contract: source-kustomize.md 8.5 (a)."""

import os
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from fleetloop.build import BuildError, BuildRequest, build_objects
from fleetloop.engine import Engines, Family

pytestmark = pytest.mark.asyncio(loop_scope="module")
PASSWORD = "hunter2-hunter2"


@dataclass(frozen=True)
class Sealer:
    """Encrypts files for an age key; `keys` is the Secret that opens them."""

    engines: Engines
    recipient: str
    keys: Mapping[str, bytes]

    async def seal(self, text: str, form: str, regex: str = "") -> bytes:
        data = b64encode(text.encode()).decode()
        recipients = [self.recipient]
        sealed = await self.engines.call(
            Family.SOPS, "sops.encrypt", 30, data=data, format=form, recipients=recipients, encryptedRegex=regex
        )
        return b64decode(sealed["data"])


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def sealer() -> AsyncIterator[Sealer]:
    async with Engines() as engines:
        pair = await engines.call(Family.SOPS, "age.keygen", 30)
        yield Sealer(engines, pair["recipient"], {"a.agekey": pair["identity"].encode()})


GENERATOR = "generatorOptions: {disableNameSuffixHash: true}\nsecretGenerator:\n- name: s\n"


async def generated(tree: Path, files: Mapping[str, bytes], entries: str, sealer: Sealer) -> dict[str, bytes]:
    """The data of a Secret that `entries` of a secretGenerator give."""
    for name, content in files.items():
        (tree / name).write_bytes(content)
    (tree / "kustomization.yaml").write_text(GENERATOR + entries)
    request = BuildRequest(decryption_keys=sealer.keys, allow_remote_bases=False)
    [secret] = await build_objects(tree, request, sealer.engines)
    return {name: b64decode(value) for name, value in secret["data"].items()}


@pytest.mark.parametrize(
    ("entry", "form", "text"),
    [
        ("files: [a.env]", "dotenv", "A=1\n"),
        ("files: [a.ini]", "ini", "[a]\nb = c\n"),
        ("files: [.dockerconfigjson=docker.txt]", "json", '{"auths":{}}'),
        ("files: [a.yml=b.txt]", "yaml", "a: b\n"),
        ("files: [a.bin]", "binary", "any bytes"),
        ("envs: [a.env]", "dotenv", "A=1\n"),
        ("envs: [vars]", "dotenv", "A=1\n"),  # no extension: dotenv
    ],
)
async def test_the_format_is_the_keys(entry: str, form: str, text: str, tmp_path: Path, sealer: Sealer) -> None:
    file = entry.partition("[")[2].rstrip("]").rpartition("=")[2]
    found = await generated(tmp_path, {file: await sealer.seal(text, form)}, f"  {entry}\n", sealer)
    if entry.startswith("envs"):
        assert found == {"A": b"1"}
    else:
        assert [b"".join(value.split()) for value in found.values()] == [b"".join(text.encode().split())]


async def test_large_and_irregular_files_are_refused(tmp_path: Path, sealer: Sealer) -> None:
    with pytest.raises(
        BuildError, match=r"^error decrypting sources: '.*a\.bin' has 5242881 bytes, the limit for encrypted files"
    ):
        await generated(tmp_path, {"a.bin": b"x" * ((5 << 20) + 1)}, "  files: [a.bin]\n", sealer)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BuildError, match=r"^error decrypting sources: '.*pipe' is not a regular file"):
        await generated(tmp_path, {}, "  files: [pipe]\n", sealer)
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(BuildError, match="link"):
        await generated(tmp_path, {}, "  files: [link]\n", sealer)


async def test_plain_files_and_config_maps_are_left_alone(tmp_path: Path, sealer: Sealer) -> None:
    sealed = await sealer.seal("A=1\n", "dotenv")
    (tmp_path / "plain.txt").write_bytes(b"x" * 100)
    (tmp_path / "a.env").write_bytes(sealed)
    generators = GENERATOR + "  files: [plain.txt]\nconfigMapGenerator:\n- name: c\n  files: [a.env]\n"
    (tmp_path / "kustomization.yaml").write_text(generators)
    request = BuildRequest(decryption_keys=sealer.keys, allow_remote_bases=False)
    found = {o["kind"]: o for o in await build_objects(tmp_path, request, sealer.engines)}
    assert found["ConfigMap"]["data"]["a.env"] == sealed.decode()
    assert b64decode(found["Secret"]["data"]["plain.txt"]) == b"x" * 100


async def test_a_secret_of_another_kind_and_an_object_switched_off(tmp_path: Path, sealer: Sealer) -> None:
    off = {"name": "off", "annotations": {"kustomize.toolkit.fluxcd.io/decrypt": "Disabled"}}
    for metadata in ({"name": "on"}, off):
        thing = {"apiVersion": "example.test/v1", "kind": "Thing", "metadata": metadata, "spec": {"token": PASSWORD}}
        (tmp_path / f"{metadata['name']}.yaml").write_bytes(await sealer.seal(yaml.safe_dump(thing), "yaml", "^spec$"))
    request = BuildRequest(decryption_keys=sealer.keys, allow_remote_bases=False)
    found = {o["metadata"]["name"]: o for o in await build_objects(tmp_path, request, sealer.engines)}
    assert (found["on"]["spec"], "sops" in found["on"]) == ({"token": PASSWORD}, False)
    assert found["off"]["spec"]["token"].startswith("ENC[")
