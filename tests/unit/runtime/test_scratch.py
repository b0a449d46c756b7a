"""What a killed controller leaves among temporary files goes with the next start."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from fleetloop.runtime.scratch import PREFIX, scratch_folder

HOLDER = """
import sys, time
from pathlib import Path
from fleetloop.runtime.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "secret").write_text("x")
    print(folder, flush=True)
    time.sleep(60)
"""


def test_an_orderly_end_leaves_nothing(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "a").write_text("b")
    assert [path.name for path in tmp_path.iterdir()] == [f"{PREFIX}{os.getuid()}.lock"]


def test_the_folder_of_a_killed_process_goes_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        theirs = Path(process.stdout.readline().strip())
        with scratch_folder(tmp_path):
            assert (theirs / "secret").exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
    with scratch_folder(tmp_path) as ours:
        assert [path for path in tmp_path.iterdir() if path.is_dir()] == [ours]


def test_what_is_a_link_or_has_another_name_stays(tmp_path: Path) -> None:
    elsewhere, other = tmp_path / "elsewhere", tmp_path / "other"
    for folder in (elsewhere, other):
        folder.mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    with scratch_folder(tmp_path):
        assert elsewhere.is_dir() and other.is_dir()
