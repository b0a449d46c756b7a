"""`diff kustomization` against a real API server."""

import base64
from pathlib import Path
from typing import Any

import pytest

from fleetloop.kube import Manifest, ref_of
from fleetloop.kube.inventory import id_of
from tests.e2e.cli.conftest import Space
from tests.kit.cli import Finished

MANAGER = "kustomize-controller"
CHANGED = "⚠️ identified at least one change, exiting with non-zero exit code\n"


class Fleet:
    """A Kustomization `apps` in the cluster, what it applied, and the directory it is built from."""

    def __init__(self, space: Space, folder: Path) -> None:
        self.space, self.folder = space, folder
        (folder / "apps").mkdir()

    def write(self, name: str, *manifests: Manifest, folder: str = "apps") -> None:
        from fleetloop.api.yaml import dump_all

        (self.folder / folder).mkdir(exist_ok=True)
        (self.folder / folder / f"{name}.yaml").write_text(dump_all(manifests))

    def manifest(self, kind: str, name: str, **fields: Any) -> Manifest:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": self.space.name}, **fields}

    def kustomization(self, name: str, **spec: Any) -> Manifest:
        ref = self.space.ref("Kustomization", name)
        source = {"kind": "GitRepository", "name": "repo"}
        common = {"interval": "1m", "prune": True, "path": f"./{name}", "sourceRef": source}
        return {**self.manifest("Kustomization", name), "apiVersion": ref.api_version, "spec": common | spec}

    async def apply(self, owner: str, *manifests: Manifest) -> list[Manifest]:
        """As the controller would have."""
        prefix = "kustomize.toolkit.fluxcd.io"
        labels = {f"{prefix}/name": owner, f"{prefix}/namespace": self.space.name}
        for manifest in manifests:
            metadata = {**manifest["metadata"], "labels": labels}
            await self.space.kube.apply({**manifest, "metadata": metadata}, field_manager=MANAGER)
        return list(manifests)

    async def owns(self, name: str, *manifests: Manifest) -> None:
        entries = [{"id": id_of(ref_of(m)), "v": m["apiVersion"].rpartition("/")[2]} for m in manifests]
        await self.space.report(self.space.ref("Kustomization", name), inventory={"entries": entries})

    async def diff(self, *words: str) -> Finished:
        return await self.space.cli("diff", "ks", "apps", f"--path={self.folder}/apps", *words)


@pytest.fixture
async def fleet(space: Space, tmp_path: Path) -> Fleet:
    (tmp_path / ".git").mkdir()
    found = Fleet(space, tmp_path)
    await space.kube.apply(found.kustomization("apps"))
    return found


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_created_drifted_deleted(fleet: Fleet) -> None:
    ns = fleet.space.name
    cm = fleet.manifest("ConfigMap", "cm", data={"a": "old", "b": "same"})
    old = fleet.manifest("ConfigMap", "old")
    kept = fleet.manifest("ConfigMap", "kept")
    kept["metadata"]["annotations"] = {"kustomize.toolkit.fluxcd.io/prune": "disabled"}
    gone = fleet.manifest("ConfigMap", "gone")
    await fleet.apply("apps", cm, old, kept)
    await fleet.owns("apps", cm, old, kept, gone)
    fleet.write("cm", cm)
    assert await fleet.diff() == Finished(f"► ConfigMap/{ns}/old deleted\n► ConfigMap/{ns}/kept skipped\n", CHANGED, 1)
    fleet.write("cm", cm | {"data": {"a": "va-def", "b": "same", "c": "1"}}, old, kept)
    fleet.write("new", fleet.manifest("ConfigMap", "new"))
    drift = '\ndata.a\n± value change\n- old\n+ va-def\n\ndata\n+ one map entry added:\n  c: "1"\n\n'
    lines = f"► ConfigMap/{ns}/cm drifted\n{drift}► ConfigMap/{ns}/new created\n"
    assert await fleet.diff() == Finished(lines, CHANGED, 1)
    fleet.write("cm", cm, old, kept)
    (fleet.folder / "apps" / "new.yaml").unlink()
    assert await fleet.diff() == Finished("", "", 0)
    assert (await fleet.space.kube.get(ref_of(cm)))["data"] == {"a": "old", "b": "same"}


async def test_no_value_of_a_secret_is_shown(fleet: Fleet) -> None:
    """CVE-2026-42880, CVE-2026-43824: data, the last-applied annotation, managed fields, and the server's own words."""
    secret = fleet.manifest("Secret", "token", data={"a": encoded("first-secret"), "gone": encoded("third-secret")})
    await fleet.apply("apps", secret)
    note = {"kubectl.kubernetes.io/last-applied-configuration": encoded("first-secret")}
    await fleet.space.kube.patch(ref_of(secret), {"metadata": {"annotations": note}})
    fleet.write("secret", fleet.manifest("Secret", "token", stringData={"a": "second-secret"}))
    done = await fleet.diff()
    assert done.code == 1
    assert "data.a\n± value change\n- *** (before)\n+ *** (after)\n" in done.output
    bad = fleet.manifest("Secret", "token", data={"a": "fourth-secret!"})
    fleet.write("secret", bad)
    refused = await fleet.diff()
    assert refused.code == 2
    assert refused.errors.startswith(f"✗ Secret/{fleet.space.name}/token dry-run failed: ")
    for text in ("first-secret", "second-secret", "third-secret", "fourth-secret"):
        for shown in (text, encoded(text)):
            assert shown not in done.output + done.errors + refused.output + refused.errors


async def test_encrypted_secrets_differ_in_keys_only(fleet: Fleet) -> None:
    """⚠ 9.2: another ciphertext is no change."""
    secret = fleet.manifest("Secret", "token", data={"a": encoded("plain-secret")})
    await fleet.apply("apps", secret)
    sops = {"mac": "ENC[AES256_GCM,data:bWFj]"}
    fleet.write("secret", secret | {"data": {"a": "ENC[AES256_GCM,data:x]"}, "sops": sops})
    assert await fleet.diff() == Finished("", "", 0)
    fleet.write("secret", secret | {"data": {"a": "ENC[x]", "b": "ENC[y]"}, "sops": sops})
    done = await fleet.diff()
    assert "data\n+ one map entry added:\n  b: '*****'\n" in done.output
    assert encoded("plain-secret") not in done.output
    fleet.write("secret", fleet.manifest("ConfigMap", "whole", data={"a": "ENC[x]"}) | {"sops": sops})
    assert await fleet.diff() == Finished(f"► ConfigMap/{fleet.space.name}/whole skipped\n", "", 0)


async def test_what_was_found_is_printed_beside_errors(fleet: Fleet) -> None:
    """⚠ CLI34. A namespace among the objects need not exist; another one must."""
    nowhere = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "is-not-there"}}
    unknown = fleet.manifest("Nonsense", "n")
    fleet.write("all", fleet.manifest("ConfigMap", "new"), nowhere, unknown)
    done = await fleet.diff()
    first = 'ConfigMap/is-not-there/x not found: namespaces "is-not-there" not found'
    second = f'Nonsense/{fleet.space.name}/n not found: no matches for kind "Nonsense" in version "v1"'
    assert done == Finished(f"► ConfigMap/{fleet.space.name}/new created\n", f"✗ [{first}, {second}]\n", 2)
    fleet.write("all", nowhere, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "is-not-there"}})
    assert await fleet.diff() == Finished("► ConfigMap/is-not-there/x created\n► Namespace/is-not-there created\n", CHANGED, 1)


async def test_objects_say_how_they_are_handled(fleet: Fleet) -> None:
    ns = fleet.space.name
    names = {"a": ("reconcile", "disabled"), "b": ("ssa", "ignore"), "c": ("ssa", "IfNotPresent")}
    objects = []
    for name, (switch, value) in names.items():
        one = fleet.manifest("ConfigMap", name, data={"v": "1"})
        one["metadata"]["annotations"] = {f"kustomize.toolkit.fluxcd.io/{switch}": value}
        objects.append(one)
    ignored = fleet.manifest("ConfigMap", "d", data={"v": "1"})
    await fleet.apply("apps", objects[2], ignored)
    await fleet.space.kube.apply(fleet.kustomization("apps", ignore=[{"paths": ["/data/v"], "target": {"name": "d"}}]))
    fleet.write("all", *(one | {"data": {"v": "2"}} for one in [*objects, ignored]))
    lines = "".join(f"► ConfigMap/{ns}/{name} skipped\n" for name in names)
    assert await fleet.diff() == Finished(lines, "", 0)
    immutable = fleet.manifest("ConfigMap", "e", immutable=True, data={"v": "1"})
    await fleet.apply("apps", immutable)
    fleet.write("all", immutable | {"data": {"v": "2"}})
    refused = await fleet.diff()
    assert (refused.code, refused.output) == (2, "")
    immutable["metadata"]["annotations"] = {"kustomize.toolkit.fluxcd.io/force": "enabled"}
    fleet.write("all", immutable | {"data": {"v": "2"}})
    assert await fleet.diff() == Finished(f"► ConfigMap/{ns}/e created\n", CHANGED, 1)


async def test_deletions_go_through_what_is_deleted(fleet: Fleet) -> None:
    """A Kustomization that goes takes along what it applied, unless it says otherwise; so does a HelmRelease."""
    ns = fleet.space.name
    tenant, orphans = fleet.kustomization("tenant"), fleet.kustomization("orphans", deletionPolicy="Orphan")
    inner, left = fleet.manifest("ConfigMap", "inner"), fleet.manifest("ConfigMap", "left")
    await fleet.apply("apps", tenant, orphans)
    await fleet.apply("tenant", inner)
    await fleet.apply("orphans", left)
    await fleet.owns("apps", tenant, orphans)
    await fleet.owns("tenant", inner)
    await fleet.owns("orphans", left)
    names = (f"Kustomization/{ns}/tenant", f"ConfigMap/{ns}/inner", f"Kustomization/{ns}/orphans")
    assert await fleet.diff() == Finished("".join(f"► {name} deleted\n" for name in names), CHANGED, 1)


async def test_nested(fleet: Fleet) -> None:
    """⚠ CLI32: with the spec and the inventory that the cluster has."""
    ns = fleet.space.name
    live, cm = fleet.kustomization("nested"), fleet.manifest("ConfigMap", "cm", data={"a": "1"})
    remote = fleet.kustomization("remote", kubeConfig={"secretRef": {"name": "x"}})
    await fleet.apply("apps", live, remote)
    old = (await fleet.apply("nested", fleet.manifest("ConfigMap", "old")))[0]
    await fleet.owns("nested", old)
    fleet.write("ks", fleet.kustomization("nested", path="./nope"), remote, fleet.kustomization("brandnew"))
    fleet.write("cm", cm, folder="nested")
    missing = await fleet.diff("-r")
    assert missing.errors == f"✗ cannot get local path for GitRepository/{ns}/repo of kustomization nested\n"
    done = await fleet.diff("-r", f"--local-sources=GitRepository/{ns}/repo={fleet.folder}")
    path = "\nspec.path\n± value change\n- ./nested\n+ ./nope\n\n"
    nested = f"📁 Kustomization/{ns}/nested changed\n► ConfigMap/{ns}/cm created\n► ConfigMap/{ns}/old deleted\n"
    skipped = f"⚠️ Kustomization/{ns}/remote skipped: diff not supported for remote clusters\n"
    created = f"► Kustomization/{ns}/nested drifted\n{path}► Kustomization/{ns}/brandnew created\n"
    assert done == Finished(created + nested + skipped, CHANGED, 1)


async def test_a_new_kustomization(fleet: Fleet) -> None:
    file = fleet.folder / "new.yaml"
    file.write_text(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: new}\nspec: {prune: true}\n"
    )
    fleet.write("cm", fleet.manifest("ConfigMap", "cm"))
    words = ["diff", "kustomization", "new", f"--path={fleet.folder}/apps", f"--kustomization-file={file}"]
    missing = 'kustomizations.kustomize.toolkit.fluxcd.io "new" not found'
    assert await fleet.space.cli(*words) == Finished("", f"✗ failed to get kustomization object: {missing}\n", 2)
    created = f"► ConfigMap/{fleet.space.name}/cm created\n"
    assert await fleet.space.cli(*words, "--ignore-not-found") == Finished(created, CHANGED, 1)


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        ((), "kustomization name is required", 1),
        (("apps", "--path=nope"), f'invalid resource path "{Path.cwd()}/nope"', 2),
        (("apps", "--path=.", "--kustomization-file=nope"), 'invalid kustomization file "nope"', 1),
        (("apps", "--path=.", "--ignore-not-found"), "kustomization file is required when assuming new kustomizations", 2),
        (("apps", "--path=.", "--context=nope"), 'context "nope" does not exist', 2),
        (("apps", "--path=.", "--server=http://127.0.0.1:1"), "", 2),
    ],
)
async def test_exit_codes(space: Space, words: tuple[str, ...], message: str, code: int) -> None:
    """⚠ CLI33: 1 is for changes, and for two ways of wrong usage."""
    done = await space.cli("diff", "kustomization", *words)
    assert done.code == code
    assert message in done.errors
