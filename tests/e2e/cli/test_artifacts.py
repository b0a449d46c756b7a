"""The artifact verbs against a real registry."""

import asyncio
import base64
import gzip
import json
import re
import stat
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from fleetloop.oci import Access, Keychain, Login, Manifest, Registry, pushed_manifest
from fleetloop.oci import Reference as Ref
from fleetloop.oci.content import FLUX_CONFIG, FLUX_CONTENT, OCI_MANIFEST
from tests.kit.cli import Finished, run_cli
from tests.kit.registry import PASSWORD, USER, bearer_door, failing_door, password_door, registry

ABOUT = ("--source=https://git.example.com/apps", "--revision=main@sha1:0a1b")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
EMPTY_CONFIG = (
    '{"architecture":"","created":"0001-01-01T00:00:00Z","os":"","rootfs":{"type":"layers","diff_ids":null},"config":{}}'
)


@dataclass(frozen=True)
class Shelf:
    """A registry, and the command line at work in a folder of its own."""

    host: str
    folder: Path

    @property
    def url(self) -> str:
        return f"oci://{self.host}/org/apps"

    async def cli(self, *words: str, answers: str = "", **environment: str) -> Finished:
        base = {"KUBECONFIG": "/dev/null", "DOCKER_CONFIG": str(self.folder / "docker"), "TZ": "UTC"}
        return await asyncio.to_thread(run_cli, words, base | environment, answers)

    async def push(self, tag: str, *words: str, **environment: str) -> str:
        """The digest of `deploy`, pushed."""
        where = f"{self.url}:{tag}"
        done = await self.cli("push", "artifact", where, f"--path={self.folder}/deploy", *ABOUT, *words, "-o=json", **environment)
        assert done.code == 0, done.errors
        return str(json.loads(done.output)["digest"])

    async def manifest(self, tag: str) -> Manifest:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            return await Registry(session).manifest(Ref.parse(f"{self.host}/org/apps:{tag}"))


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    deploy = tmp_path / "deploy"
    (deploy / "sub").mkdir(parents=True)
    (deploy / "app.yaml").write_text("kind: ConfigMap\n")
    (deploy / "picture.png").write_text("no manifest")
    (deploy / "sub" / "link.yaml").symlink_to("../app.yaml")
    (deploy / "sub" / "up").symlink_to("..")
    (tmp_path / "state").mkdir()
    async with registry(tmp_path / "state") as host:
        yield Shelf(host, tmp_path)


async def test_push_tag_list_pull(shelf: Shelf) -> None:
    done = await shelf.cli("push", "artifact", f"{shelf.url}:1.0.0", f"--path={shelf.folder}/deploy", *ABOUT)
    digest = DIGEST.search(done.errors)
    assert digest
    name = f"{shelf.host}/org/apps"
    pushed = f"► pushing artifact to {name}:1.0.0\n✔ artifact successfully pushed to {name}@{digest[0]}\n"
    assert done == Finished("", pushed, 0)
    manifest = await shelf.manifest("1.0.0")
    assert manifest.config
    assert (manifest.config.media_type, manifest.config.size) == (FLUX_CONFIG, len(EMPTY_CONFIG))
    assert [layer.media_type for layer in manifest.layers] == [FLUX_CONTENT]
    assert manifest.annotations["org.opencontainers.image.revision"] == "main@sha1:0a1b"

    tagged = await shelf.cli("tag", "artifact", f"{shelf.url}:1.0.0", "--tag=2.0.0,latest", "--tag=sha.sig")
    lines = "".join(f"✔ artifact tagged as {name}:{tag}\n" for tag in ("2.0.0", "latest", "sha.sig"))
    assert tagged == Finished("", f"► tagging artifact\n{lines}", 0)

    listed = await shelf.cli("list", "artifacts", shelf.url)
    rows = [[cell.strip() for cell in line.split("\t")][:4] for line in listed.output.splitlines()]
    said = [digest[0], "https://git.example.com/apps", "main@sha1:0a1b"]
    wanted = [[f"{name}:{tag}", *said] for tag in ("latest", "2.0.0", "1.0.0")]
    assert rows == [["ARTIFACT", "DIGEST", "SOURCE", "REVISION"], *wanted]
    ranged = await shelf.cli("list", "artifacts", shelf.url, "--filter-semver=>1.0.0")
    assert [line.split("\t")[0].strip() for line in ranged.output.splitlines()[1:]] == [f"{name}:2.0.0"]
    matching = await shelf.cli("list", "artifacts", shelf.url, "--filter-regex=^l")
    assert [line.split("\t")[0].strip() for line in matching.output.splitlines()[1:]] == [f"{name}:latest"]
    assert (await shelf.cli("list", "artifacts", shelf.url, "--filter-semver=x y")).errors.startswith(
        "✗ semver 'x y' parse error: "
    )
    none = await shelf.cli("list", "artifacts", shelf.url, "--filter-regex=^zz")
    assert none == Finished("ARTIFACT\tDIGEST\tSOURCE\tREVISION \n", "", 0)

    out = shelf.folder / "out"
    out.mkdir()
    (out / "app.yaml").write_text("old")
    (out / "kept").write_text("kept")
    pulled = await shelf.cli("pull", "artifact", f"{shelf.url}:1.0.0", f"--output={out}")
    assert pulled.errors.splitlines() == [
        f"► pulling artifact from {name}:1.0.0",
        "✔ source https://git.example.com/apps",
        "✔ revision main@sha1:0a1b",
        f"✔ digest {name}@{digest[0]}",
        f"✔ artifact content extracted to {out}",
    ]
    files = {str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.is_file()}
    assert files == {"app.yaml": "kind: ConfigMap\n", "kept": "kept"}


async def test_annotations_of_ones_own_win(shelf: Shelf) -> None:
    await shelf.push("1", "-a=org.opencontainers.image.revision=mine", "-a=team=web")
    annotations = (await shelf.manifest("1")).annotations
    assert annotations["org.opencontainers.image.revision"] == "mine"
    assert annotations["team"] == "web"


async def test_reproducible_in_every_zone(shelf: Shelf) -> None:
    """⚠ CLI46: Flux writes the epoch in the local zone; here the digest is the same everywhere."""
    digests = {await shelf.push("1", "--reproducible", TZ=zone) for zone in ("UTC", "Europe/Paris", "Asia/Tokyo")}
    assert len(digests) == 1
    assert (await shelf.manifest("1")).annotations["org.opencontainers.image.created"] == "1970-01-01T00:00:00Z"


async def test_creds(shelf: Shelf) -> None:
    """⚠ CLI43: without a colon they are a bearer token, and split at the first colon otherwise."""
    action = "► logging in to registry with credentials"
    where = (f"--path={shelf.folder}/deploy", *ABOUT)
    async with bearer_door(shelf.host, "s3cret-token") as door:
        url = f"oci://{door.address}/org/apps:1"
        done = await shelf.cli("push", "artifact", url, *where, "--creds=s3cret-token")
        assert (done.code, done.errors.splitlines()[0]) == (0, action)
        refused = await shelf.cli("push", "artifact", url, *where, "--creds=user:s3cret-token")
        assert refused.code == 1
        assert "s3cret-token" not in refused.errors
    async with password_door(shelf.host) as door:
        url = f"oci://{door.address}/org/apps:1"
        out = shelf.folder / "out"
        out.mkdir()
        pulled = await shelf.cli("pull", "artifact", url, f"--output={out}", f"--creds={USER}:{PASSWORD}")
        assert pulled.code == 0, pulled.errors
        assert (await shelf.cli("pull", "artifact", url, f"--output={out}")).code == 1
        (shelf.folder / "docker").mkdir()
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        config = json.dumps({"auths": {door.address: {"auth": auth}}})
        (shelf.folder / "docker" / "config.json").write_text(config)
        assert (await shelf.cli("pull", "artifact", url, f"--output={out}")).code == 0


async def test_credential_helper(shelf: Shelf) -> None:
    """What `docker login` gave into the keeping of a program."""
    (shelf.folder / "docker").mkdir()
    (shelf.folder / "docker" / "config.json").write_text(json.dumps({"credsStore": "test"}))
    program = shelf.folder / "docker-credential-test"
    answer = json.dumps({"ServerURL": "", "Username": USER, "Secret": PASSWORD})
    program.write_text(f"#!/bin/sh\n[ $1 = get ] && cat > {shelf.folder}/asked && echo '{answer}'\n")
    program.chmod(0o755)
    await shelf.push("1", PATH=f"{shelf.folder}:/usr/bin:/bin")
    async with password_door(shelf.host) as door:
        url = f"oci://{door.address}/org/apps"
        listed = await shelf.cli("list", "artifacts", url, PATH=f"{shelf.folder}:/usr/bin:/bin")
        assert listed.code == 0, listed.errors
        assert (shelf.folder / "asked").read_text() == door.address


async def test_stdin_has_a_name_of_its_own(shelf: Shelf) -> None:
    """⚠ CLI44: with Flux the name is random, and so the digest; here equal input makes equal artifacts."""
    made = []
    for number in ("one", "two"):
        words = ("build", "artifact", "--path=-", f"--output={shelf.folder}/{number}.tgz")
        done = await shelf.cli(*words, answers="kind: ConfigMap\n\r\n\n")
        assert done == Finished("", f"► building artifact from -\n✔ artifact created at {shelf.folder}/{number}.tgz\n", 0)
        made.append((shelf.folder / f"{number}.tgz").read_bytes())
    assert made[0] == made[1]
    with tarfile.open(shelf.folder / "one.tgz") as tar:
        (file,) = [member for member in tar if member.isfile()]
        content = tar.extractfile(file)
        assert (file.name, file.mode) == ("stdin.yaml", 0o600)
        assert content
        assert content.read() == b"kind: ConfigMap"


async def test_nothing_is_written_beside_the_source(shelf: Shelf) -> None:
    """⚠ CLI45: Flux needs to write into the parent of the source; nothing of ours is seen there at any time."""
    above = shelf.folder / "above"
    above.mkdir()
    (shelf.folder / "deploy").rename(above / "deploy")
    before = above.stat().st_mtime_ns
    above.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        done = await shelf.cli("build", "artifact", f"--path={above}/deploy", f"--output={shelf.folder}/x.tgz")
    finally:
        above.chmod(stat.S_IRWXU)
    assert done.code == 0, done.errors
    assert above.stat().st_mtime_ns == before


async def test_build(shelf: Shelf) -> None:
    deploy, output = shelf.folder / "deploy", shelf.folder / "deploy" / "out.tgz"
    first = await shelf.cli("build", "artifact", "-p", str(deploy), "-o", str(output))
    assert first.code == 0, first.errors
    content = output.read_bytes()
    await shelf.cli("build", "artifact", "-p", str(deploy), "-o", str(output))
    assert output.read_bytes() == content  # and not one archive within the other
    assert names_in(output) == [".", "app.yaml", "sub"]
    await shelf.cli("build", "artifact", "-p", str(deploy), "-o", str(output), "--resolve-symlinks", "--ignore-paths=app.yaml")
    assert names_in(output) == [".", "picture.png", "sub", "sub/link.yaml"]
    await shelf.cli("build", "artifact", "-p", str(deploy), "-o", str(output), "--resolve-symlinks")
    assert names_in(output) == [".", "app.yaml", "sub", "sub/link.yaml"]
    await shelf.cli("build", "artifact", "-p", f"{deploy}/app.yaml", "-o", str(output))
    assert names_in(output) == [".", "app.yaml"]


def names_in(archive: Path) -> list[str]:
    with tarfile.open(archive) as tar:
        return tar.getnames()


async def test_diff(shelf: Shelf) -> None:
    """⚠ CLI47: exit code 1 for a difference; who compressed the artifact makes none, unlike in Flux."""
    await shelf.push("1")
    words = ("diff", "artifact", f"{shelf.url}:1", f"--path={shelf.folder}/deploy")
    equal = Finished("", "✔ no changes detected\n", 0)
    assert await shelf.cli(*words) == equal
    await repack(shelf, "1")
    assert await shelf.cli(*words) == equal
    (shelf.folder / "deploy" / "app.yaml").write_text("kind: Secret\n")
    assert await shelf.cli(*words) == Finished("", "✗ the remote artifact contents differs from the local one\n", 1)
    missing = await shelf.cli("diff", "artifact", f"{shelf.url}:nope", f"--path={shelf.folder}/deploy")
    assert (missing.code, missing.output) == (1, "")


async def repack(shelf: Shelf, tag: str) -> None:
    """The same content, compressed by somebody else, with other modes."""
    archive = shelf.folder / "other.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(shelf.folder / "deploy" / "sub", "sub", recursive=False)
        tar.add(shelf.folder / "deploy" / "app.yaml", "app.yaml")
    layer = gzip.compress(archive.read_bytes(), compresslevel=1)
    reference = Ref.parse(f"{shelf.host}/org/apps:{tag}")
    async with aiohttp.ClientSession() as session:
        one = Registry(session, Access(Keychain([(shelf.host, Login())])))
        digest, size = await one.push_blob(reference.repository, layer)
        raw = pushed_manifest(EMPTY_CONFIG.encode(), [(FLUX_CONTENT, digest, size)], {}, FLUX_CONFIG)
        await one.push_manifest(reference, raw, OCI_MANIFEST)


async def test_a_busy_registry_is_asked_again(shelf: Shelf) -> None:
    async with failing_door(shelf.host, [503, 500]) as door:
        url = f"oci://{door.address}/org/apps:1"
        done = await shelf.cli("push", "artifact", url, f"--path={shelf.folder}/deploy", *ABOUT)
        assert done.code == 0, done.errors
        late = await shelf.cli("list", "artifacts", f"oci://{door.address}/org/nope", "--timeout=2s")
        assert (late.code, late.output) == (1, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("push",), "artifact URL is required"),
        (("push", "x"), "--source is required"),
        (("push", "x", "--source=s"), "--revision is required"),
        (("push", "x", *ABOUT), 'invalid path ""'),
        (("push", "x", *ABOUT, "--path=."), "URL must be in format 'oci://<domain>/<org>/<repo>'"),
        (
            ("push", "oci://x/y", *ABOUT, "--path=/nope"),
            "invalid path '/nope', must point to an existing directory or file: stat /nope: no such file or directory",
        ),
        (
            ("push", "oci://x/y", *ABOUT, "--path=.", "-a=x"),
            "invalid annotation x, must be in the format key=value",
        ),
        (("pull", "x"), "output path cannot be empty"),
        (("pull", "x", "-o=/nope"), 'invalid output path "/nope": stat /nope: no such file or directory'),
        (("pull", "x", "-o=/dev/null"), 'invalid output path "/dev/null": it is no directory'),
        (("pull", "x", "-o=/tmp"), "URL must be in format 'oci://<domain>/<org>/<repo>'"),
        (("tag",), "artifact name is required"),
        (("tag", "oci://x/y"), "--tag is required"),
        (("diff",), "artifact URL is required"),
        (("diff", "oci://x/y"), 'invalid path ""'),
        (("build",), 'invalid path ""'),
        (("build", "--path=/nope"), "invalid path '/nope', must point to an existing directory or file"),
    ],
)
def test_usage(words: tuple[str, ...], message: str) -> None:
    verb, *rest = words
    assert run_cli([verb, "artifact", *rest], {"KUBECONFIG": "/dev/null"}) == Finished("", f"✗ {message}\n", 1)


def test_list_wants_a_repository() -> None:
    done = run_cli(["list", "artifacts"], {"KUBECONFIG": "/dev/null"})
    assert done == Finished("", "✗ artifact repository URL is required\n", 1)
    tagged = run_cli(["list", "artifacts", "oci://x/y:1"], {"KUBECONFIG": "/dev/null"})
    assert tagged.errors.startswith("✗ listing tags failed: ")
