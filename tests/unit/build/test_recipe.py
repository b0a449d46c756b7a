"""The pure parts of a build: names, variables, labels, checks."""

from typing import Any

import pytest

from fleetloop.build import BuildError, EncryptedSecret, label_objects, settings_of, variables_of
from fleetloop.build.decryption import check_decrypted, format_by_marker, format_by_name, is_encrypted
from fleetloop.build.manifest import kustomize_name_of, name_of
from fleetloop.build.substitution import check_variables

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token", "namespace": "apps"}}


def test_names() -> None:
    assert kustomize_name_of(SECRET) == "Secret.v1.[noGrp]/token"
    release = {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "web"}}
    assert kustomize_name_of(release) == "HelmRelease.v2.helm.toolkit.fluxcd.io/web"
    assert (name_of(SECRET), name_of(release)) == ("Secret/apps/token", "HelmRelease/web")


def test_settings_are_the_fields_that_say_something() -> None:
    spec = {"targetNamespace": "a", "patches": [], "prune": True, "path": "./x", "images": [{"name": "i"}], "namePrefix": ""}
    assert settings_of(spec) == {"targetNamespace": "a", "images": [{"name": "i"}]}


def test_later_variables_win_and_inline_ones_over_all() -> None:
    merged = variables_of([{"a": "1", "b": "1\n2\n"}, {"a": "2"}], {"c": "x\n"})
    assert merged == {"a": "2", "b": "12", "c": "x"}
    assert variables_of([{"a": "1"}], {"a": "0"}) == {"a": "0"}


@pytest.mark.parametrize("name", ["1A", "a-b", "a.b", "", "ä", "a b", "A\n"])
def test_bad_variable_name(name: str) -> None:
    with pytest.raises(BuildError) as caught:
        check_variables([name], [SECRET])
    pattern = "^[_[:alpha:]][_[:alpha:][:digit:]]*$"
    assert str(caught.value) == (
        f"post build failed for 'Secret.v1.[noGrp]/token': '{name}' var name is invalid, must match '{pattern}'"
    )
    check_variables([name], [])


def test_missing_variables_are_told_of_the_first_object_that_takes_any() -> None:
    switch = {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}
    labelled, annotated = ({**SECRET, "metadata": {"name": "x", where: switch}} for where in ("labels", "annotations"))
    check_variables(["1A"], [labelled, annotated], "not found")
    with pytest.raises(BuildError, match=r"^post build failed for 'Secret.v1.\[noGrp\]/token': not found$"):
        check_variables(["1A"], [labelled, annotated, SECRET], "not found")


def test_good_variable_names() -> None:
    check_variables(["a", "_", "A_1"], [SECRET])


def test_common_metadata_wins_over_owner_labels() -> None:
    objects: list[dict[str, Any]] = [
        {"metadata": {"name": "a", "labels": {"x": "1", "y": "1"}, "annotations": None}},
        {"metadata": {"name": "b"}},
    ]
    owner = "kustomize.toolkit.fluxcd.io"
    labelled = label_objects(objects, "apps", "team", {"x": "2", f"{owner}/name": "mine"}, {"note": "n"})
    assert labelled[0]["metadata"] == {
        "name": "a",
        "labels": {"x": "2", "y": "1", f"{owner}/name": "mine", f"{owner}/namespace": "team"},
        "annotations": {"note": "n"},
    }
    assert objects[1] == {"metadata": {"name": "b"}}
    bare = label_objects(objects[1:], "apps", "team")
    assert bare[0]["metadata"] == {"name": "b", "labels": {f"{owner}/name": "apps", f"{owner}/namespace": "team"}}


def test_an_encrypted_secret_does_not_reach_the_cluster() -> None:
    encrypted = {**SECRET, "sops": {"mac": "ENC[x]"}}
    assert is_encrypted(encrypted)
    with pytest.raises(EncryptedSecret, match=r"^Secret/apps/token is SOPS encrypted, configuring decryption is required"):
        check_decrypted([{**encrypted, "kind": "ConfigMap"}, encrypted])
    check_decrypted([SECRET, {**encrypted, "kind": "ConfigMap"}])


def test_formats() -> None:
    names = ["a.yaml", "a.yml", "x.json", ".dockerconfigjson", "a.env", "a.ini", "token", "a.txt"]
    assert [format_by_name(name) for name in names] == [
        "yaml", "yaml", "json", "json", "dotenv", "ini", "binary", "binary",
    ]  # fmt: skip
    contents = [b"sops:\n  mac: ENC[x", b'{"sops": {"mac": "ENC[x"}}', b"sops_mac=ENC[x", b"[sops]\nmac = ENC[x", b"plain"]
    assert [format_by_marker(content) for content in contents] == ["yaml", "json", "dotenv", "ini", None]
