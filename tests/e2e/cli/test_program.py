"""The tree of commands, as a user meets it. Child processes, without a cluster."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.cli import Finished, run_cli

NO_CLUSTER = {"KUBECONFIG": "/nonexistent", "HOME": "/nonexistent"}


def cli(*words: str, **environment: str) -> Finished:
    return run_cli(words, NO_CLUSTER | environment)


@pytest.mark.parametrize("words", [["get"], ["create"], ["get", "sources"], ["get", "kustomisations"], ["create", "source", "x"]])
def test_a_group_prints_its_help_and_succeeds(words: list[str]) -> None:
    """⚠ CLI1: alone, and before a word it does not know."""
    done = cli(*words)
    assert (done.code, done.errors) == (0, "")
    assert "Available Commands:" in done.output


def test_unknown_command_of_the_root_fails() -> None:
    """⚠ CLI1."""
    assert cli("foo") == Finished("", '✗ unknown command "foo" for "fleetloop"\n', 1)


def test_flags_after_an_unknown_word_are_still_checked() -> None:
    assert cli("get", "kustomisations", "--nope").errors == "✗ unknown flag: --nope\n"


def test_deprecated_flag_is_told_on_stdout_before_the_yaml() -> None:
    """⚠ CLI2."""
    done = cli("create", "kustomization", "apps", "--source=apps", "--export", "--validation=client")
    first, second, *_ = done.output.splitlines()
    assert (first.startswith("Flag --validation has been deprecated, "), second, done.errors) == (True, "---", "")


def test_create_does_not_check_the_namespace() -> None:
    """⚠ CLI4."""
    done = cli("create", "-n", "Bad_NS", "--export", "kustomization", "apps", "--source=apps")
    assert "namespace: Bad_NS" in done.output and done.code == 0


@pytest.mark.parametrize(
    "words", [["get", "ks"], ["reconcile", "ks"], ["envsubst"], ["get", "all", "--watch"], ["pull", "artifact"]]
)
def test_other_verbs_check_the_namespace_first(words: list[str]) -> None:
    """⚠ CLI4: also those that need none, and before anything else that is wrong."""
    assert cli(*words, "-n", "Bad_NS").errors == '✗ namespace must be a valid DNS label: "Bad_NS"\n'


def test_namespace_of_the_environment_is_the_default() -> None:
    """⚠ CLI3."""
    words = ("create", "kustomization", "apps", "--source=apps", "--export")
    assert "namespace: flux-system" in cli(*words).output
    assert "namespace: team" in cli(*words, FLUX_SYSTEM_NAMESPACE="team").output
    assert "namespace: x" in cli(*words, "-n", "x", FLUX_SYSTEM_NAMESPACE="team").output
    bad = cli(*words, FLUX_SYSTEM_NAMESPACE="Te_am")
    assert bad.errors == '⚠️  ignoring invalid FLUX_SYSTEM_NAMESPACE: "Te_am"\n'
    assert "namespace: flux-system" in bad.output


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["get", "--help"], ["completion", "bash"]])
def test_an_invalid_namespace_of_the_environment_is_told_at_every_start(words: list[str]) -> None:
    told = '⚠️  ignoring invalid FLUX_SYSTEM_NAMESPACE: "Te_am"\n'
    assert cli(*words, FLUX_SYSTEM_NAMESPACE="Te_am").errors == told


def test_flags_of_a_group_stand_before_and_after_the_word() -> None:
    after = cli("create", "source", "git", "apps", "--url=https://x/y", "--branch=b", "--export", "--fetch-timeout=1m")
    before = cli("create", "--export", "source", "--fetch-timeout=1m", "git", "apps", "--url=https://x/y", "--branch=b")
    assert after == before
    assert "timeout: 1m0s" in after.output


def test_errors_of_the_command_line_come_before_any_connection() -> None:
    assert cli("reconcile", "kustomization").errors == "✗ Kustomization name is required\n"
    assert cli("suspend", "helmrelease").errors == "✗ helmrelease name is required\n"
    assert cli("delete", "source", "git").errors == "✗ source git name is required\n"
    assert cli("export", "source", "git").errors == "✗ name is required\n"
    assert cli("tree", "kustomization").errors == "✗ kustomization name is required\n"
    assert cli("tree", "artifact", "generator").errors == "✗ accepts 1 arg(s), received 0\n"
    assert cli("events", "--types=Foo").errors == "✗ type 'Foo' not supported. Supported types are Normal, Warning\n"
    assert cli("events", "--for=ks").errors == "✗ 'ks' is not a recognized Flux kind\n"
    assert cli("events", "--for=a/b/c").errors == "✗ --for selector must be of format <kind>[/<name>]\n"
    assert cli("logs", "x").errors == "✗ no argument required\n"
    assert cli("logs", "--since-time=now").errors == "✗ now is not a valid (RFC3339) time\n"
    selector = "unable to parse label selector: --label-selector: unable to parse requirement 'a in x'"
    assert cli("get", "ks", "--watch", "-l", "a in x").errors == f"✗ {selector}\n"
    assert cli("get", "all", "--watch").errors == "✗ expected a single resource type, but found all\n"


def test_a_missing_kubeconfig_file() -> None:
    assert cli("get", "ks", "--kubeconfig=/no/such").errors == "✗ stat /no/such: no such file or directory\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["get", "ks"], 1),
        (["get", "all"], 1),
        (["stats"], 1),
        (["events"], 1),
        (["logs"], 1),
        (["diff", "ks", "a", "--path=/"], 2),
    ],
)
def test_an_unreachable_cluster_is_one_line(words: list[str], code: int) -> None:
    """The same for every verb, whichever request it would have begun with."""
    for server in ("http://127.0.0.1:1", "https://localhost:1"):
        told = f'✗ failed to get server groups: Get "{server}/api": dial tcp {server.partition("//")[2]}: '
        done = cli(*words, f"--server={server}")
        assert (done.output, done.errors, done.code) == ("", f"{told}connect: connection refused\n", code)


@pytest.mark.parametrize("words", [["get", "ks"], ["logs"]])
def test_a_cluster_whose_name_is_unknown(words: list[str]) -> None:
    told = '✗ failed to get server groups: Get "https://nowhere.invalid/api": dial tcp: lookup nowhere.invalid: no such host\n'
    assert cli(*words, "--server=https://nowhere.invalid") == Finished("", told, 1)


def test_through_a_link_named_flux_messages_say_flux(tmp_path: Path) -> None:
    script = tmp_path / "fleetloop"  # as pip writes it
    script.write_text(f"#!{sys.executable}\nfrom fleetloop.cli.main import main\nmain()\n")
    script.chmod(0o755)
    link = tmp_path / "flux"
    link.symlink_to(script)
    environment = os.environ | NO_CLUSTER
    done = subprocess.run([link, "foo"], capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert done.stderr == '✗ unknown command "foo" for "flux"\n'
    version = subprocess.run([link, "--version"], capture_output=True, text=True, env=environment, check=True, timeout=60)
    assert version.stdout.startswith("flux version ")


def test_close_words_are_suggested() -> None:
    assert "Did you mean this?\n\treconcile\n" in cli("reconcil").errors


@pytest.mark.parametrize(
    "words", [["-h"], ["get", "--help"], ["get", "ks", "-h"], ["help"], ["help", "get", "ks"], ["-n", "x", "--help"]]
)
def test_help_goes_to_stdout(words: list[str]) -> None:
    done = cli(*words)
    assert (done.code, done.errors) == (0, "")
    assert "Flags:" in done.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_script(shell: str) -> None:
    done = cli("completion", shell)
    assert (done.code, done.errors) == (0, "")
    assert "_FLEETLOOP_COMPLETE" in done.output


def test_completion_of_words_and_flags() -> None:
    def answers(line: str, cursor: int) -> list[str]:
        done = cli(_FLEETLOOP_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(cursor))
        return [row.partition(",")[2] for row in done.output.splitlines()]

    assert answers("fleetloop get sou", 2) == ["sources"]
    assert answers("fleetloop -n x suspend image ", 5) == ["policy", "repository", "update"]
    assert answers("fleetloop get ks --sh", 3) == ["--show-source"]
    assert answers("fleetloop logs --level ", 3) == ["debug", "info", "error"]


def test_the_script_for_zsh_ends_as_people_load_it() -> None:
    """`. <(fleetloop completion zsh) && compdef _fleetloop fleetloop` is in their .zshrc."""
    lines = cli("completion", "zsh").output.splitlines()
    assert "_fleetloop() {" in lines
    assert lines[-1] == "compdef _fleetloop fleetloop"


@pytest.mark.parametrize("verb", ["get ks", "build ks", "diff hr", "get ks --kubeconfig /no/such"])
def test_completion_with_an_unreachable_cluster_fails_quietly(verb: str) -> None:
    line = f"fleetloop {verb} "
    bad = {"FLUX_SYSTEM_NAMESPACE": "Te_am"}
    done = cli(_FLEETLOOP_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(line.split())), **bad)
    assert done == Finished("", "", 1)


def test_completion_of_contexts(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("contexts: [{name: prod}, {name: test}]")
    line = f"fleetloop --kubeconfig {config} --context p"
    assert cli(_FLEETLOOP_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD="4").output == "plain,prod\n"


def test_a_closed_pipe_ends_the_command_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "fleetloop.cli.main", "--help"]
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, env=os.environ | NO_CLUSTER, check=False, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
