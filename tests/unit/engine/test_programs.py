"""Which command and surroundings a family of verbs gets."""

from dataclasses import replace
from pathlib import Path

import pytest

from fleetloop.engine import EngineMissing, EngineSettings, Family
from fleetloop.engine.programs import command_of, environment_of, program_of


@pytest.fixture
def settings(tmp_path: Path) -> EngineSettings:
    for name in ("fleetloop-engine-build", "fleetloop-engine-sops"):
        (tmp_path / name).touch()
    return EngineSettings(memory=64, bin=tmp_path, environment={"PATH": "/usr/bin", "HOME": "/root"})


def test_only_the_remote_family_has_network_and_environment(settings: EngineSettings, tmp_path: Path) -> None:
    assert "-network" not in command_of(Family.BUILD, settings)
    assert "-network" in command_of(Family.REMOTE, settings)
    assert environment_of(Family.BUILD, settings, tmp_path) == {"HOME": "/nonexistent", "TMPDIR": "/nonexistent"}
    remote = environment_of(Family.REMOTE, settings, tmp_path)
    assert (remote["HOME"], remote["PATH"], remote["TMPDIR"]) == ("/nonexistent", "/usr/bin", str(tmp_path))


def test_the_sops_family_knows_proxies_and_certificates_alone(settings: EngineSettings, tmp_path: Path) -> None:
    behind = replace(settings, environment={**settings.environment, "HTTPS_PROXY": "http://proxy"})
    assert environment_of(Family.SOPS, behind, tmp_path) == {
        "HOME": "/nonexistent",
        "TMPDIR": "/nonexistent",
        "HTTPS_PROXY": "http://proxy",
    }
    assert "-network" not in command_of(Family.SOPS, behind)


def test_limits_are_arguments(settings: EngineSettings) -> None:
    assert command_of(Family.BUILD, settings)[1:] == ["-memory=64", "-parallel=12"]


def test_a_program_that_is_not_built_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match=r"fleetloop-engine-build is not built .* python hatch_build.py"):
        program_of(Family.BUILD, EngineSettings(bin=tmp_path))
