import pytest

from fleetloop.bootstrap.paths import inside, relative_path, same_directory


@pytest.mark.parametrize(
    ("flag", "path"),
    [
        ("", ""),
        (".", "./"),
        ("./", "./"),
        ("/", "./"),
        ("clusters/x", "./clusters/x"),
        ("./clusters/x/", "./clusters/x"),
        ("/clusters/x", "./clusters/x"),
        ("../../x", "./x"),
        ("a/../../b", "./b"),
    ],
)
def test_the_path_flag(flag: str, path: str) -> None:
    assert relative_path(flag) == path


@pytest.mark.parametrize("other", ["clusters/x", "./clusters/x", "./clusters/x/", "/clusters/x"])
def test_spellings_of_one_directory(other: str) -> None:
    assert same_directory("./clusters/x", other)
    assert not same_directory("./clusters/xy", other)


def test_the_root_has_many_names() -> None:
    assert same_directory("", "./") and same_directory(".", "")


def test_files_as_git_names_them() -> None:
    assert inside("./clusters/x", "flux-system", "f.yaml") == "clusters/x/flux-system/f.yaml"
    assert inside("", "flux-system", "f.yaml") == "flux-system/f.yaml"
