"""`debug` against a real API server."""

from typing import Any

import pytest

from tests.e2e.cli.conftest import Space
from tests.kit.cli import Finished

KS = "https://fluxcd.io/flux/components/kustomize/kustomizations/"
HR = "https://fluxcd.io/flux/components/helm/helmreleases/"


async def config(space: Space, kind: str, name: str, **data: str) -> None:
    field = "data" if kind == "ConfigMap" else "stringData"
    await space.kube.apply({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": space.name}, field: data})


async def change(space: Space, kind: str, name: str, **spec: Any) -> None:
    await space.kube.patch(space.ref(kind, name), {"spec": spec})


async def test_kustomization(recorded: Space) -> None:
    words = ("debug", "ks", "ok")
    assert await recorded.cli(*words, "--show-vars") == Finished("", "✗ no post build substitutions found\n", 1)
    await config(recorded, "ConfigMap", "vars", a="1\n2", b="config")
    await config(recorded, "Secret", "vars", b="secret", c="x")
    refs = [{"kind": kind, "name": "vars"} for kind in ("ConfigMap", "Secret")]
    missing = {"kind": "Secret", "name": "nope"}
    substitute = {"c": "inline"}
    await change(
        recorded,
        "Kustomization",
        "ok",
        postBuild={"substitute": substitute, "substituteFrom": [*refs, missing | {"optional": True}]},
    )
    assert await recorded.cli(*words, "--show-vars") == Finished("a=12\nb=secret\nc=inline\n", "", 0)
    await change(recorded, "Kustomization", "ok", postBuild={"substitute": substitute, "substituteFrom": [missing]})
    error = "✗ substitute from 'Secret/nope' error: secrets \"nope\" not found\n"
    assert await recorded.cli(*words, "--show-vars") == Finished("", error, 1)
    assert (await recorded.cli(*words, "--show-status")).output.startswith(
        f"# Status documentation: {KS}#kustomization-status\nconditions:\n"
    )
    await recorded.report(recorded.ref("Kustomization", "ok"), history=[])
    assert (await recorded.cli(*words, "--show-history")).output == f"# History documentation: {KS}#history\n[]\n"


async def test_helm_release(recorded: Space) -> None:
    words = ("debug", "helmrelease", "ok")
    assert (await recorded.cli(*words, "--show-status")).output.startswith(f"# Status documentation: {HR}#helmrelease-status\n")
    assert (await recorded.cli(*words, "--show-history")).output.startswith(f"# History documentation: {HR}#history\n- ")
    await config(recorded, "Secret", "values", **{"values.yaml": "a: {b: 1, c: 2}\nreplicaCount: 9\n", "other": "a: {c: 3}"})
    refs = [{"kind": "Secret", "name": "values"}, {"kind": "Secret", "name": "values", "valuesKey": "other"}]
    optional = [{"kind": "Secret", "name": "values", "valuesKey": "none", "optional": True}]
    await change(recorded, "HelmRelease", "ok", valuesFrom=[*refs, *optional], values={"replicaCount": 0})
    assert await recorded.cli(*words, "--show-values") == Finished("a:\n  b: 1\n  c: 3\nreplicaCount: 0\n", "", 0)
    await config(recorded, "ConfigMap", "one", count="3", text="'4'")
    paths = [("count", "a.d"), ("text", "list[0].e")]
    targets = [{"kind": "ConfigMap", "name": "one", "valuesKey": key, "targetPath": path} for key, path in paths]
    await change(recorded, "HelmRelease", "ok", valuesFrom=[*refs, *targets])
    shown = 'a:\n  b: 1\n  c: 3\n  d: 3\nlist:\n- e: "4"\nreplicaCount: 0\n'
    assert await recorded.cli(*words, "--show-values") == Finished(shown, "", 0)
    broken = {"kind": "ConfigMap", "name": "one", "valuesKey": "count", "targetPath": "a[0]"}
    await change(recorded, "HelmRelease", "ok", valuesFrom=[*refs, broken])
    place = f"'{recorded.name}/one' with key 'count'"
    error = f"could not resolve ConfigMap chart values reference {place}: unable to merge value at target path 'a[0]'"
    assert await recorded.cli(*words, "--show-values") == Finished("", f"✗ {error}\n", 1)
    await change(recorded, "HelmRelease", "ok", valuesFrom=[{"kind": "ConfigMap", "name": "nope"}])
    place = f"'{recorded.name}/nope' with key 'values.yaml'"
    error = f'could not resolve ConfigMap chart values reference {place}: configmaps "nope" not found'
    assert await recorded.cli(*words, "--show-values") == Finished("", f"✗ {error}\n", 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ks",), "accepts 1 arg(s), received 0"),
        (("ks", "a", "b"), "accepts 1 arg(s), received 2"),
        (("ks", "a"), "exactly one of --show-status, --show-vars, or --show-history must be set"),
        (
            ("hr", "a", "--show-status", "--show-history"),
            "exactly one of --show-status, --show-values, or --show-history must be set",
        ),
        (("hr", "a", "--show-vars"), "unknown flag: --show-vars"),
        (("hr", "a", "--show-values"), 'helmreleases.helm.toolkit.fluxcd.io "a" not found'),
    ],
)
async def test_usage(space: Space, words: tuple[str, ...], message: str) -> None:
    assert await space.cli("debug", *words) == Finished("", f"✗ {message}\n", 1)
