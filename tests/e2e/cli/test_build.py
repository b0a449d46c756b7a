"""`build kustomization` with the real engine; with a real cluster where one is asked."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from tests.e2e.cli.conftest import Space
from tests.kit.cli import Finished, run_cli

KS = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: %s}
spec:
  path: %s
  prune: true
  interval: 1m
  commonMetadata: {labels: {cl: x}}
  postBuild: {substitute: {who: me}, substituteFrom: [{kind: ConfigMap, name: vars}]}
  sourceRef: {kind: GitRepository, name: repo}
"""
CM = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: cm, namespace: apps}
data: {a: "${who}", b: "${other:=none}"}
"""
SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: apps}
data: {key: "ENC[AES256_GCM,data:c2VjcmV0]"}
sops: {mac: "ENC[AES256_GCM,data:bWFj]"}
"""
LABELS = """\
  labels:
    cl: x
    kustomize.toolkit.fluxcd.io/name: {name}
    kustomize.toolkit.fluxcd.io/namespace: {namespace}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for folder in ("apps", "nested"):
        (tmp_path / folder).mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "apps" / "cm.yaml").write_text(CM)
    (tmp_path / "apps" / "notes.yaml").write_text("no: object\n")
    (tmp_path / "nested" / "secret.yaml").write_text(SECRET)
    (tmp_path / "ks.yaml").write_text(KS % ("apps", "./apps"))
    return tmp_path


def build(repository: Path, *words: str) -> Finished:
    path = f"--path={repository}/apps"
    return run_cli(["build", "ks", "apps", path, "--dry-run", f"--kustomization-file={repository}/ks.yaml", *words], {})


def labels(name: str, namespace: str) -> str:
    return LABELS.format(name=name, namespace=namespace)


def tree_hash(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(str(p).encode() + p.read_bytes() for p in files)).hexdigest()


def test_separators_stand_after_documents_and_nothing_is_written(repository: Path) -> None:
    """⚠ CLI30, CLI31. Ignored files are not built."""
    before = tree_hash(repository)
    done = build(repository, "--ignore-paths=notes.yaml")
    metadata = f"kind: ConfigMap\nmetadata:\n{labels('apps', 'flux-system')}  name: cm\n  namespace: apps\n"
    assert done == Finished(f"apiVersion: v1\ndata:\n  a: me\n  b: none\n{metadata}---\n", "", 0)
    assert tree_hash(repository) == before


def test_a_file_that_is_no_object_fails_the_build(repository: Path) -> None:
    done = build(repository)
    assert (done.output, done.code) == ("", 1)
    assert "failed to decode Kubernetes YAML" in done.errors


def test_strict(repository: Path) -> None:
    (repository / "apps" / "notes.yaml").write_text(CM.replace("name: cm", "name: other").replace("${who}", "${nobody}"))
    assert build(repository).code == 0
    done = build(repository, "--strict-substitute")
    assert done.errors.endswith('envsubst error: variable substitution failed: variable not set (strict mode): "nobody"\n')
    assert done.code == 1


def test_recursion_and_masks(repository: Path) -> None:
    nested = KS.replace("metadata: {name: %s}", "metadata: {name: %s, namespace: flux-system}") % ("nested", "nested")
    (repository / "apps" / "notes.yaml").write_text(nested)
    missing = build(repository, "-r")
    assert missing.errors == "✗ cannot get local path for GitRepository/flux-system/repo of kustomization nested\n"
    done = build(repository, "-r", f"--local-sources=GitRepository/flux-system/repo={repository}")
    assert done.code == 0, done.errors
    kinds = [line for line in done.output.splitlines() if line.startswith("kind: ")]
    assert kinds == ["kind: ConfigMap", "kind: Kustomization", "kind: Secret"]
    assert "  key: KipTT1BTKio=\n" in done.output
    assert "ENC[" not in done.output
    assert done.output.endswith(f"{labels('nested', 'flux-system')}  name: token\n  namespace: apps\n---\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("",), "kustomization name is required"),
        (("apps",), 'invalid resource path ""'),
        (("apps", "--path=."), ""),
        (("apps", "--path=.", "--dry-run"), "dry-run mode requires a kustomization file"),
        (("apps", "--path=.", "--kustomization-file=nope.yaml"), 'invalid kustomization file "nope.yaml"'),
    ],
)
def test_usage(words: tuple[str, ...], message: str) -> None:
    done = run_cli(["build", "kustomization", *filter(None, words)], {"KUBECONFIG": "/dev/null"})
    assert done.code == 1
    assert message in done.errors


async def test_with_a_cluster(repository: Path, space: Space) -> None:
    """⚠ CLI29, CLI32: the Kustomization must be there; variables and nested ones are the cluster's."""
    (repository / "apps" / "notes.yaml").unlink()
    nested = KS.replace("metadata: {name: %s}", f"metadata: {{name: %s, namespace: {space.name}}}") % ("nested", "nope")
    (repository / "apps" / "nested.yaml").write_text(nested)
    words = ["build", "ks", "apps", f"--path={repository}/apps", f"--kustomization-file={repository}/ks.yaml"]
    missing = await space.cli(*words)
    message = 'kustomizations.kustomize.toolkit.fluxcd.io "apps" not found'
    assert missing == Finished("", f"✗ failed to get kustomization object: {message}\n", 1)
    spec = {"interval": "1m", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "repo"}}
    for name, path in (("apps", "elsewhere"), ("nested", "nested")):
        metadata = {"name": name, "namespace": space.name}
        ref = space.ref("Kustomization", name)
        await space.kube.apply(
            {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, "spec": {**spec, "path": path}}
        )
    assert (await space.cli(*words)).errors == "✗ substitute from 'ConfigMap/vars' error: configmaps \"vars\" not found\n"
    variables = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "vars", "namespace": space.name}}
    await space.kube.apply({**variables, "data": {"other": "of the cluster", "who": "overridden"}})
    done = await space.cli(*words, "-r", f"--local-sources=GitRepository/{space.name}/repo={repository}")
    assert done.code == 0, done.errors
    assert "  a: me\n  b: of the cluster\n" in done.output
    assert "kind: Secret\n" in done.output


def test_no_cluster_is_asked_in_dry_run(repository: Path) -> None:
    done = asyncio.run(asyncio.to_thread(build, repository, "--ignore-paths=notes.yaml", "--server=http://127.0.0.1:1"))
    assert done.code == 0
