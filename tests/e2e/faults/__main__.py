"""`python -m tests.e2e.faults`: the tests of this folder at their full size, one after the other, with their figures printed.

Takes a quarter of an hour; arguments go to pytest (`-k engines`). A seed of one's own: FLEETLOOP_FAULTS_SEED.
"""

import os
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    os.environ["FLEETLOOP_FAULTS"] = "full"
    sys.exit(pytest.main(["-n", "0", "-s", str(Path(__file__).parent), *sys.argv[1:]]))
