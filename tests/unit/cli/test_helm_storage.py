"""Reading what Helm keeps about a release."""

import base64
import gzip
import json

import pytest

from fleetloop.cli.errors import CliError
from fleetloop.cli.helm_storage import manifest_of


def packed(content: bytes) -> str:
    return base64.b64encode(base64.b64encode(gzip.compress(content))).decode()


def test_manifest() -> None:
    assert manifest_of(packed(json.dumps({"manifest": "kind: A"}).encode()), "x") == "kind: A"


@pytest.mark.parametrize(
    "data", ["", "%%%", base64.b64encode(b"%%%").decode(), packed(b"no json"), packed(b"{}"), packed(b"[]")], ids=range(6)
)
def test_what_is_no_release_is_an_error_that_names_it(data: str) -> None:
    with pytest.raises(CliError, match="failed to decode the Helm storage object for HelmRelease 'x'"):
        manifest_of(data, "x")


def test_a_bomb_is_not_unpacked() -> None:
    with pytest.raises(CliError, match="larger than"):
        manifest_of(packed(b"0" * 1002), "x", largest=1000)
