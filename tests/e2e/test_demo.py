"""The demo is the product in one command: it is run whole, and what it leaves running is looked into."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

DEADLINE = 420.0  # seconds; a minute on a quiet machine
LOCK_DOWN = {"--no-cross-namespace-refs=true", "--default-service-account=default"}

DIFFERENCE = re.compile(r"^ {4}[-+] ", re.MULTILINE)
MARKED = [  # what the automation changes: a version, and no other byte of its line
    "".join(f'    {sign}{indent}tag: {tag} # {{"$imagepolicy": "apps:{policy}:tag"}}\n' for sign, tag in (("-", old), ("+", new)))
    for indent, policy, old, new in (("    ", "catalog-chart", "1.0.0", "1.1.0"), ("      ", "catalog", "2.0.0", "2.1.0"))
]


async def fleetloop(*arguments: str, home: Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fleetloop.cli.main"),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"HOME": str(home)},
    )
    async with asyncio.timeout(DEADLINE):
        out, errors = await process.communicate()
    return process.returncode or 0, out.decode(), errors.decode()


async def test_the_demo_shows_what_it_promises_and_locks_down_what_runs(tmp_path: Path) -> None:
    folder = f"--dir={tmp_path / 'state'}"
    try:
        code, _, said = await fleetloop("demo", "--keep", folder, home=tmp_path)
        assert code == 0, said
        for line in (
            "staging runs nginx-unprivileged:1.29.2",
            "production, on branch production, still runs nginx-unprivileged:1.29.1",
            "production runs nginx-unprivileged:1.29.2",
            "the forge's webhook brought it to staging",
            "ImagePolicies select 1.1.0 and 2.1.0",
            "has the status staging/apps: success",
            "alert in the chat: helmrelease/catalog.apps: Helm upgrade succeeded for release apps/catalog",
            "production, on branch production, still has the chart 1.0.0",
            "has the status production/apps: success",
            "it is back after",
            'User "system:serviceaccount:apps:apps" cannot patch resource "clusterroles"',
            "staging is Ready again",
            "production, on branch production, still has moderation: strict",
            "Helm upgrade failed for release apps/reviews",
            "Helm rollback to previous release apps/reviews.v2 with chart reviews@1.0.0 succeeded",
        ):
            assert line in said, said
        assert [said.count(line) for line in MARKED] == [2] * len(MARKED), said  # in the commits, and in the promotion
        assert len(DIFFERENCE.findall(said)) == 2 * 2 * len(MARKED), said
        code, out, said = await fleetloop("local", "status", "-o", "json", folder, home=tmp_path)
        assert code == 0, said
        status = json.loads(out)
        assert {cluster["name"]: cluster["ready"] for cluster in status["clusters"]} == {"staging": True, "production": True}
        for cluster in status["clusters"]:
            argv = {pod["name"].rsplit("-", 2)[0]: arguments_of(pod["pid"]) for pod in cluster["pods"]}
            assert LOCK_DOWN | {"--no-remote-bases=true"} <= argv["kustomize-controller"]
            assert argv["helm-controller"] >= LOCK_DOWN
            for name in ("notification-controller", "image-reflector-controller", "image-automation-controller"):
                assert "--no-cross-namespace-refs=true" in argv[name]
            assert not LOCK_DOWN & argv["source-controller"]
    finally:
        await fleetloop("local", "down", folder, home=tmp_path)


def arguments_of(pid: int) -> set[str]:
    """What the kernel says the process was started with."""
    return set(Path(f"/proc/{pid}/cmdline").read_text().split("\0"))


async def test_a_failing_demo_leaves_nothing_running(tmp_path: Path) -> None:
    """The folder cannot be made: a clear line, no traceback, no process."""
    (tmp_path / "file").write_text("")
    code, _, said = await fleetloop("demo", "--exit", f"--dir={tmp_path / 'file' / 'state'}", home=tmp_path)
    assert code == 1
    assert "Traceback" not in said
    assert said.strip().startswith(("►", "✗"))
