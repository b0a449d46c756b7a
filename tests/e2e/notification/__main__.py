"""`python -m tests.e2e.notification`: deliveries over kills, and abuse, at their full size, with their figures printed.

A thousand events over ten kills and a provider that is down for a minute, ten thousand forged calls. Takes some minutes;
arguments go to pytest.
"""

import os
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    os.environ["FLEETLOOP_NOTIFICATION"] = "full"
    folder = Path(__file__).parent
    files = [str(folder / name) for name in ("test_delivery.py", "test_abuse.py")]
    sys.exit(pytest.main(["-n", "0", "-s", *files, *sys.argv[1:]]))
