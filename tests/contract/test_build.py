"""Whole builds through the real engines: the pipeline of source-kustomize.md 8.3 to 8.6 and its messages."""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from fleetloop.build import BuildCache, BuildError, BuildRequest, EncryptedSecret, Limits, build_objects, emit_yaml
from fleetloop.engine import Engines, EngineSettings, Family
from tests.kit.git_server import git

LOCAL = BuildRequest(allow_remote_bases=False)
SETTINGS = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  replicas: "${replicas}"
  script: |
    echo $HOME $${literal} ${greeting:-hello}
"""
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: apps}\nstringData: {password: hunter2}\n"


@pytest.fixture
async def engines() -> AsyncIterator[Engines]:
    async with Engines() as running:
        yield running


class Keys:
    """An age key and what it encrypts."""

    def __init__(self, engines: Engines, identity: str, recipient: str) -> None:
        self._engines, self.recipient = engines, recipient
        self.secret = {"identity.agekey": f"# test\n{identity}\n".encode()}

    async def encrypt(self, text: str, format: str, regex: str = "") -> bytes:
        sealed = await self._engines.call(
            Family.SOPS, "sops.encrypt", 30,
            data=b64encode(text.encode()).decode(), format=format, recipients=[self.recipient], encryptedRegex=regex,
        )  # fmt: skip
        return b64decode(sealed["data"])


@pytest.fixture
async def keys(engines: Engines) -> Keys:
    pair = await engines.call(Family.SOPS, "age.keygen", 30)
    return Keys(engines, pair["identity"], pair["recipient"])


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def changed(**fields: Any) -> BuildRequest:
    return BuildRequest(**{"allow_remote_bases": False, **fields})


async def test_sk25_values_become_numbers_where_no_quotes_are_left(tmp_path: Path, engines: Engines) -> None:
    """SK25: values become numbers where no quotes are left."""
    deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: ${replicas}\n"
    tree = write(tmp_path, {"a.yaml": SETTINGS, "b.yaml": deployment})
    objects = await build_objects(tree, changed(variables={"replicas": "3"}), engines)
    assert objects[0]["data"]["replicas"] == 3  # kustomize drops quotes that the expression did not need
    assert objects[0]["data"]["script"] == "echo $HOME ${literal} hello\n"
    assert objects[1]["spec"] == {"replicas": 3}


async def test_sk25_without_variables_expressions_stay(tmp_path: Path, engines: Engines) -> None:
    """SK25: without variables expressions stay."""
    tree = write(tmp_path, {"a.yaml": SETTINGS})
    [untouched] = await build_objects(tree, LOCAL, engines)
    assert untouched["data"]["replicas"] == "${replicas}"
    with pytest.raises(BuildError) as caught:
        await build_objects(tree, changed(substitute_always=True), engines)
    assert str(caught.value) == (
        "post build failed for 'ConfigMap.v1.[noGrp]/settings': envsubst error: variable substitution failed: "
        'variable not set (strict mode): "replicas"'
    )
    [lenient] = await build_objects(tree, changed(substitute_always=True, strict=False), engines)
    assert lenient["data"]["script"] == "echo $HOME ${literal} hello\n"


@pytest.mark.parametrize("where", ["labels", "annotations"])
async def test_substitution_can_be_switched_off_for_an_object(where: str, tmp_path: Path, engines: Engines) -> None:
    text = SETTINGS.replace("\ndata:", f"\n  {where}: {{kustomize.toolkit.fluxcd.io/substitute: disabled}}\ndata:")
    [left] = await build_objects(write(tmp_path, {"a.yaml": text}), changed(variables={"replicas": "3"}), engines)
    assert left["data"]["replicas"] == "${replicas}"


async def test_a_value_may_not_take_an_object_its_kind(tmp_path: Path, engines: Engines) -> None:
    tree = write(tmp_path, {"a.yaml": SETTINGS.replace("ConfigMap", "${kind}")})
    with pytest.raises(BuildError, match="failed to decode Kubernetes apiVersion, kind and name from: "):
        await build_objects(tree, changed(variables={"kind": "", "replicas": "1"}), engines)


async def test_every_kind_of_encrypted_source(tmp_path: Path, engines: Engines, keys: Keys) -> None:
    files: dict[str, str | bytes] = {
        "app/kustomization.yaml": "resources: [secret.yaml, plain.yaml, ../base]\n"
        "generatorOptions: {disableNameSuffixHash: true}\n"
        "secretGenerator:\n- name: files\n  files: [a.txt, config.json=c.enc, plain.txt]\n- name: env\n  envs: [vars.env]\n"
        "patches: [{path: patch.yaml}]\n",
        "base/kustomization.yaml": "secretGenerator:\n- name: base\n  files: [b.ini]\n",
        "app/plain.txt": "as it is",
        "app/plain.yaml": SECRET.replace("token", "patched"),
        "app/secret.yaml": await keys.encrypt(SECRET, "yaml", "^(data|stringData)$"),
        "app/a.txt": await keys.encrypt("binary content", "binary"),
        "app/c.enc": await keys.encrypt('{"a": 1}', "json"),
        "app/vars.env": await keys.encrypt("A=1\nB=2\n", "dotenv"),
        "app/patch.yaml": await keys.encrypt(
            SECRET.replace("token", "patched").replace("password", "more"), "yaml", "^stringData$"
        ),
        "base/b.ini": await keys.encrypt("[s]\na = 1\n", "ini"),
    }
    tree = write(tmp_path, files)
    before = snapshot(tree)
    objects = await build_objects(tree, changed(path="./app", decryption_keys=keys.secret), engines)
    found = {o["metadata"]["name"].split("-")[0]: o for o in objects}
    assert found["token"]["stringData"] == {"password": "hunter2"}
    assert found["patched"]["stringData"] == {"password": "hunter2", "more": "hunter2"}
    assert "sops" not in found["token"]
    plain = {name: {k: b64decode(v) for k, v in o["data"].items()} for name, o in found.items() if "data" in o}
    assert json.loads(plain["files"].pop("config.json")) == {"a": 1}
    assert plain["files"] == {"a.txt": b"binary content", "plain.txt": b"as it is"}
    assert plain["env"] == {"A": b"1", "B": b"2"}
    assert plain["base"]["b.ini"].split() == b"[s] a = 1".split()
    assert snapshot(tree) == before  # decrypted bytes never reach the tree


def snapshot(tree: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tree)): path.read_bytes() for path in sorted(tree.rglob("*")) if path.is_file()}


async def test_an_encrypted_file_as_the_value_of_a_secret(tmp_path: Path, engines: Engines, keys: Keys) -> None:
    inner = b64encode(await keys.encrypt("a: b\n", "yaml")).decode()
    text = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{config.yaml: {inner}, other: eA==}}\n"
    [secret] = await build_objects(write(tmp_path, {"s.yaml": text}), changed(decryption_keys=keys.secret), engines)
    assert {k: b64decode(v) for k, v in secret["data"].items()} == {"config.yaml": b"a: b\n", "other": b"x"}


async def test_sk24_edits_of_plain_fields_pass(tmp_path: Path, engines: Engines, keys: Keys) -> None:
    """SK24: edits of plain fields pass."""
    sealed = (await keys.encrypt(SECRET, "yaml", "^stringData$")).replace(b"name: token", b"name: renamed")
    [secret] = await build_objects(write(tmp_path, {"s.yaml": sealed}), changed(decryption_keys=keys.secret), engines)
    assert (secret["metadata"]["name"], secret["stringData"]) == ("renamed", {"password": "hunter2"})


async def test_without_decryption_an_encrypted_secret_is_refused(tmp_path: Path, engines: Engines, keys: Keys) -> None:
    tree = write(tmp_path, {"s.yaml": await keys.encrypt(SECRET, "yaml", "^stringData$")})
    message = "Secret/apps/token is SOPS encrypted, configuring decryption is required for this secret to be reconciled"
    with pytest.raises(EncryptedSecret, match=f"^{message}$"):
        await build_objects(tree, LOCAL, engines)


async def test_decryption_can_be_switched_off_for_an_object(tmp_path: Path, engines: Engines, keys: Keys) -> None:
    text = SECRET.replace("apps}", "apps, annotations: {kustomize.toolkit.fluxcd.io/decrypt: Disabled}}")
    tree = write(tmp_path, {"s.yaml": await keys.encrypt(text, "yaml", "^stringData$")})
    [secret] = await build_objects(tree, changed(decryption_keys=keys.secret), engines)
    assert secret["stringData"]["password"].startswith("ENC[")


async def test_wrong_keys(tmp_path: Path, engines: Engines, keys: Keys) -> None:
    other = Keys(engines, **await engines.call(Family.SOPS, "age.keygen", 30))
    reason = f"cannot get sops data key: no identity matches the recipient {keys.recipient}$"
    tree = write(tmp_path / "object", {"s.yaml": await keys.encrypt(SECRET, "yaml", "^stringData$")})
    with pytest.raises(BuildError, match=rf"^decryption failed for 'Secret\.v1\.\[noGrp\]/token': 'object': {reason}"):
        await build_objects(tree, changed(decryption_keys=other.secret), engines)
    generator = "secretGenerator:\n- name: s\n  files: [a.txt]\n"
    tree = write(tmp_path / "file", {"kustomization.yaml": generator, "a.txt": await keys.encrypt("x", "binary")})
    with pytest.raises(BuildError, match=rf"^error decrypting sources: 'a\.txt': {reason}"):
        await build_objects(tree, changed(decryption_keys=other.secret), engines)
    with pytest.raises(BuildError, match=r"no age identity is configured$"):
        await build_objects(tree, changed(decryption_keys={}), engines)


async def test_errors_do_not_quote_secrets(tmp_path: Path, engines: Engines, keys: Keys) -> None:
    tree = write(tmp_path / "variable", {"a.yaml": SETTINGS})
    with pytest.raises(BuildError, match="YAMLToJSON: ") as caught:
        await build_objects(tree, changed(variables={"replicas": "[*hunter2]"}), engines)
    assert "***" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    files: dict[str, str | bytes] = {
        "kustomization.yaml": "resources: [a.yaml]\npatches: [{path: p.txt}]\n",
        "a.yaml": SETTINGS,
        "p.txt": await keys.encrypt("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: hunter2\n", "binary"),
    }
    with pytest.raises(BuildError, match="kustomize build failed: ") as caught:
        await build_objects(write(tmp_path / "file", files), changed(decryption_keys=keys.secret), engines)
    assert "***" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_messages_and_limits(tmp_path: Path, engines: Engines) -> None:
    tree = write(
        tmp_path, {"a/a.yaml": SETTINGS, "b/values.yaml": "replicas: 1\n", "c/kustomization.yaml": "resources: [x.yaml]\n"}
    )
    for request, message in [
        (changed(path="./nope"), r"^kustomization path not found: stat \./nope: no such file or directory$"),
        (changed(path="b"), r"^failed to decode Kubernetes YAML from \./b/values\.yaml: "),
        (changed(path="c"), r"^kustomize build failed: accumulating resources: .*x\.yaml.* no such file"),
        (changed(path="a", limits=Limits(objects=0, bytes=10)), "have more than 10 bytes"),
    ]:
        with pytest.raises(BuildError, match=message):
            await build_objects(tree, request, engines)


@pytest.mark.parametrize("resource", ["x.yaml", "../x.yaml", "../../x.yaml", "/x.yaml", "../out", "in"])
async def test_messages_are_the_same_wherever_the_tree_is(tmp_path: Path, engines: Engines, resource: str) -> None:
    """The controller unpacks a source anew after each start; only a person at the tree wants to know where it is."""
    messages = []
    for place in ("one", "another/one"):
        tree = write(tmp_path / place, {"b/kustomization.yaml": f"resources: ['{resource}']\n", "b/in/x": ""})
        with pytest.raises(BuildError) as refused:
            await build_objects(tree, changed(path="b"), engines)
        messages.append(str(refused.value))
    assert messages[0] == messages[1]
    assert str(tmp_path) not in messages[0]
    with pytest.raises(BuildError, match=rf"stat {tree}/nope:"):
        await build_objects(tree, changed(path="nope", for_show=True), engines)


async def test_one_tenants_bomb_does_not_hurt_the_others(tmp_path: Path) -> None:
    """The guilty build ends its process, the innocent ones are done again, and each learns its own fate."""
    generator = "configMapGenerator:\n- name: big\n  files: [a=b.bin]\n"
    bomb = write(tmp_path / "bomb", {"kustomization.yaml": generator, "b.bin": b"\xff" * (24 << 20)})
    good = write(tmp_path / "good", {f"{n}.yaml": SETTINGS.replace("name: settings", f"name: s{n}") for n in range(50)})
    async with Engines(EngineSettings(memory=96)) as engines:
        results = await asyncio.gather(
            *(build_objects(tree, LOCAL, engines) for tree in [good, bomb, good, good]), return_exceptions=True
        )
    assert isinstance(results[1], BuildError)
    assert "kustomize build failed: the engine ended" in str(results[1])
    assert [len(r) if isinstance(r, list) else r for r in (results[0], *results[2:])] == [50, 50, 50]


async def test_emit_yaml_is_gos(tmp_path: Path, engines: Engines) -> None:
    objects = await build_objects(write(tmp_path, {"a.yaml": SETTINGS}), LOCAL, engines)
    text = await emit_yaml([*objects, {"b": "010", "a": [1, True]}], LOCAL, engines)
    assert text.endswith('---\na:\n- 1\n- true\nb: "010"\n')
    assert text.startswith("apiVersion: v1\ndata:\n  replicas: ${replicas}\n  script: |\n")


async def test_remote_bases_by_git_and_http(tmp_path: Path) -> None:
    source = write(tmp_path / "source", {"base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": SETTINGS})
    for arguments in (["init", "--quiet", "-b", "main"], ["add", "."], ["commit", "--quiet", "-m", "x"], ["tag", "v1"]):
        git(source, *arguments)
    async with serving(source) as url, Engines() as engines:
        tree = write(
            tmp_path / "tree",
            {"kustomization.yaml": f"namePrefix: p-\nresources: ['{url}/git/r.git//base?ref=v1', '{url}/file.yaml']\n"},
        )
        objects = await build_objects(tree, BuildRequest(), engines)
        assert [o["metadata"]["name"] for o in objects] == ["p-settings", "p-other"]
        with pytest.raises(BuildError, match="remote bases are disabled"):
            await build_objects(tree, LOCAL, engines)


async def test_equal_builds_are_made_once_and_remote_bases_each_time(tmp_path: Path, engines: Engines) -> None:
    cache, request = BuildCache(), BuildRequest(source="sha256:1", variables={"replicas": "3"})
    tree = write(tmp_path / "tree", {"a.yaml": SETTINGS})
    [first] = await build_objects(tree, request, engines, cache)
    [second] = await build_objects(tmp_path / "gone", replace(request, variables={"replicas": "4"}), engines, cache)
    assert (first["data"]["replicas"], second["data"]["replicas"]) == (3, 4)
    with pytest.raises(BuildError):
        await build_objects(tmp_path / "gone", replace(request, source="sha256:2"), engines, cache)

    async with serving(tmp_path) as url:
        remote = write(tmp_path / "remote", {"kustomization.yaml": f"resources: ['{url}/file.yaml']\n"})
        request = replace(request, source="sha256:3")
        assert len(await build_objects(remote, request, engines, cache)) == 1
    with pytest.raises(BuildError):  # it is asked for again, and is gone
        await build_objects(remote, request, engines, cache)


@asynccontextmanager
async def serving(repository: Path) -> AsyncIterator[str]:
    """Git's own smart HTTP for the repository at /git/r.git, and a manifest at /file.yaml."""

    async def backend(request: web.Request) -> web.Response:
        environment = {
            "PATH": "/usr/bin:/bin",
            "GIT_PROJECT_ROOT": str(repository),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": request.path.replace("/git/r.git", "/.git"),
            "QUERY_STRING": request.query_string,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        }
        process = await asyncio.create_subprocess_exec(
            "git", "-c", "safe.directory=*", "http-backend", env=environment, stdin=-1, stdout=-1
        )
        output, _ = await process.communicate(await request.read())
        head, _, body = output.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200 OK").split()[0])
        return web.Response(status=status, body=body, headers=headers)

    async def manifest(_: web.Request) -> web.Response:
        return web.Response(text=SETTINGS.replace("settings", "other"))

    app = web.Application()
    app.router.add_route("*", "/git/{rest:.*}", backend)
    app.router.add_get("/file.yaml", manifest)
    runner = web.AppRunner(app, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
