"""What a build error says of places that chance has chosen."""

from pathlib import Path

import pytest

from fleetloop.build import BuildError, EncryptedSecret


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "kustomization path not found: stat /t/a1/nope: no such file",
            "kustomization path not found: stat ./nope: no such file",
        ),
        ("no file in directory '/t/a1'", "no file in directory '.'"),
        ('open /t/a1: x; /t/a1, "/t/a1/b" (/t/a1)', 'open .: x; ., "./b" (.)'),
        ("/t/a12/x, /t/a1-b", "../a12/x, ../a1-b"),
        ("/tt/a1 /s/t/a1 stay", "/tt/a1 /s/t/a1 stay"),
        ("open /tmp/x/kustomize-123/base/a.yaml: gone", "open <remote base>/base/a.yaml: gone"),
        ("'/kustomize-123' and kustomize-123", "'<remote base>' and kustomize-123"),
        ("/srv/kustomize-1.2/a", "/srv/kustomize-1.2/a"),
    ],
)
def test_the_tree_is_a_dot(said: str, told: str) -> None:
    assert str(BuildError(said).seen_from(Path("/t/a1"))) == told


def test_the_kind_of_error_stays(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").mkdir()
    seen = EncryptedSecret(f"{tmp_path}/link/a {tmp_path}/real/b").seen_from(tmp_path / "link")
    assert (type(seen), str(seen)) == (EncryptedSecret, "./a ./b")
