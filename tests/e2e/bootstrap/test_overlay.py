"""The team's own kustomization.yaml: honoured from the first apply on, never rewritten, and checked before a push."""

from pathlib import Path
from typing import Any

import pytest

from fleetloop.kube import ObjectRef
from tests.e2e.bootstrap.place import SMALL, Place

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOCKED_DOWN = """\
# kept by the platform team
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- gotk-components.yaml
- gotk-sync.yaml
patches:
- patch: |
    - op: add
      path: /spec/template/spec/containers/0/args/-
      value: --no-cross-namespace-refs=true
  target:
    kind: Deployment
    name: "(kustomize-controller|helm-controller|notification-controller)"
- patch: |
    - op: add
      path: /spec/template/spec/containers/0/args/-
      value: --default-service-account=default
  target:
    kind: Deployment
    name: "(kustomize-controller|helm-controller)"
- patch: |
    - op: add
      path: /spec/serviceAccountName
      value: kustomize-controller
  target:
    kind: Kustomization
- patch: |
    - op: remove
      path: /spec/nothing
  target:
    kind: Deployment
    name: nobody
"""


async def prepared(place: Place, name: str, folder: Path, files: dict[str, str]) -> None:
    await place.forge.admin.create_repository("acme", name)
    at = {f"clusters/x/{name}/{path}" if "/" not in path else path.lstrip("/"): content for path, content in files.items()}
    await place.forge.push_files("acme", name, at, token=place.token, folder=folder / "clone")


async def arguments(place: Place, name: str, component: str) -> list[str]:
    live = await place.kube.get(ObjectRef("apps/v1", "Deployment", name, component))
    found: list[str] = live["spec"]["template"]["spec"]["containers"][0]["args"]
    return found


async def test_bs41_patches_land_after_the_generated_arguments_on_the_first_apply(followed: Place, tmp_path: Path) -> None:
    """BS41: The way the documentation prepares a lock-down: empty files, and the overlay beside them."""
    place, name = followed, followed.name()
    await prepared(
        place,
        name,
        tmp_path,
        {"gotk-components.yaml": "", "gotk-sync.yaml": "", "kustomization.yaml": LOCKED_DOWN},
    )
    done = await place.run(*place.github(name, SMALL))
    assert done.code == 0, done.errors
    assert (await arguments(place, name, "kustomize-controller"))[-3:] == [
        "--enable-leader-election",
        "--no-cross-namespace-refs=true",
        "--default-service-account=default",
    ]
    assert (await arguments(place, name, "source-controller"))[-1].startswith("--storage-adv-addr=")
    sync = await place.kube.get(ObjectRef("kustomize.toolkit.fluxcd.io/v1", "Kustomization", name, name))
    assert sync["spec"]["serviceAccountName"] == "kustomize-controller"
    assert sync["metadata"]["managedFields"][0]["manager"] == "flux"
    assert await place.file(name, f"clusters/x/{name}/kustomization.yaml") == LOCKED_DOWN
    assert "serviceAccountName" not in await place.file(name, f"clusters/x/{name}/gotk-sync.yaml")
    assert (await place.run(*place.github(name, SMALL))).code == 0
    assert len(await place.subjects(name)) == 3


async def test_bs31_another_spelling_gets_no_second_file(followed: Place, tmp_path: Path) -> None:
    """BS31: another spelling gets no second file."""
    place, name = followed, followed.name()
    await prepared(place, name, tmp_path, {"kustomization.yml": LOCKED_DOWN})
    done = await place.run(*place.github(name, SMALL))
    assert done.code == 0, done.errors
    files = await place.forge.admin.files("acme", name, "main")
    assert [path for path in files if "ustomization" in path] == [f"clusters/x/{name}/kustomization.yml"]


async def test_other_manifests_beside_are_listed(followed: Place, tmp_path: Path) -> None:
    place, name = followed, followed.name()
    config = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: extra, namespace: {name}}}\n"
    await prepared(place, name, tmp_path, {"extra.yaml": config, "notes.yaml": "a: b\n"})
    done = await place.run(*place.github(name, SMALL))
    assert done.code == 0, done.errors
    assert (await place.file(name, f"clusters/x/{name}/kustomization.yaml")).endswith(
        "resources:\n- extra.yaml\n- gotk-components.yaml\n- gotk-sync.yaml\n"
    )
    assert await place.exists(ObjectRef("v1", "ConfigMap", name, "extra"))


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        (
            LOCKED_DOWN.replace("- gotk-sync.yaml\n", ""),
            "clusters/x/{name} has a kustomization.yaml that does not list gotk-sync.yaml: add it to its resources",
        ),
        ("resources: [missing.yaml]\n", "component manifest generation failed: kustomize build failed: "),
    ],
)
async def test_an_overlay_that_would_not_work_is_found_before_the_push(
    place: Place, tmp_path: Path, overlay: str, message: str
) -> None:
    name = place.name()
    await prepared(place, name, tmp_path, {"kustomization.yaml": overlay})
    before: Any = await place.forge.admin.repository("acme", name)
    done = await place.run(*place.github(name, SMALL))
    assert done.code == 1
    assert done.lines[-1].startswith("✗ " + message.format(name=name))
    assert await place.forge.admin.repository("acme", name) == before
    assert not await place.exists(ObjectRef("v1", "Namespace", "", name))


async def test_bs28_what_gitignore_hides_is_committed_too(followed: Place, tmp_path: Path) -> None:
    """BS28: what gitignore hides is committed too."""
    place, name = followed, followed.name()
    await prepared(place, name, tmp_path, {"/.gitignore": "*.yaml\n"})
    done = await place.run(*place.github(name, SMALL))
    assert done.code == 0, done.errors
    assert len([path for path in await place.forge.admin.files("acme", name, "main") if path.endswith(".yaml")]) == 3


async def test_bs33_a_rebuilt_cluster_gets_the_secret_before_what_needs_it(followed: Place) -> None:
    """BS33: A repository that has everything, and a cluster that has nothing."""
    place, name = followed, followed.name()
    assert (await place.run(*place.github(name, SMALL))).code == 0
    for api_version, kind in (
        ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
        ("source.toolkit.fluxcd.io/v1", "GitRepository"),
    ):
        await place.kube.delete(ObjectRef(api_version, kind, name, name))
    await place.kube.delete(ObjectRef("v1", "Secret", name, "flux-system"))
    said = await place.killed_at("determining if source secret", *place.github(name, SMALL))
    assert "✔ installed components" in said
    assert not await place.exists(ObjectRef("source.toolkit.fluxcd.io/v1", "GitRepository", name, name))
    assert (await place.run(*place.github(name, SMALL))).code == 0
    assert len(await place.subjects(name)) == 2
