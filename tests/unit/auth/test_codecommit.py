"""CodeCommit's user name and password, recomputed with the SDK's own signer."""

import datetime

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fleetloop.auth.aws import AwsCredentials
from fleetloop.auth.codecommit import NotCodeCommit, basic_auth, region_of

AT = datetime.datetime(2026, 11, 24, 9, 30, 15, tzinfo=datetime.UTC)
HOST, PATH = "git-codecommit.eu-central-1.amazonaws.com", "/v1/repos/fleet"


@pytest.mark.parametrize("token", ["", "session/+="])
def test_signature(token: str) -> None:
    username, password = basic_auth(AwsCredentials("AKIA", "s3cret", token), HOST, PATH, AT)
    request = AWSRequest(method="GIT", url=f"https://{HOST}{PATH}")
    request.context["timestamp"] = "20261124T093015"
    signer = SigV4Auth(Credentials("AKIA", "s3cret"), "codecommit", "eu-central-1")
    to_sign = signer.string_to_sign(request, f"GIT\n{PATH}\n\nhost:{HOST}\n\nhost\n")
    assert password == "20261124T093015Z" + signer.signature(to_sign, request)
    assert username == "AKIA" + (f"%{token}" if token else "")


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("git-codecommit.us-east-1.amazonaws.com", "us-east-1"),
        ("git-codecommit-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("git-codecommit.cn-north-1.amazonaws.com.cn", "cn-north-1"),
    ],
)
def test_regions(host: str, region: str) -> None:
    assert region_of("https", host) == region


@pytest.mark.parametrize(
    ("scheme", "host"),
    [
        ("http", HOST),
        ("ssh", HOST),
        ("https", "git-codecommit.eu.amazonaws.com.evil.example"),
        ("https", "x.git-codecommit.eu.amazonaws.com"),
        ("https", "github.com"),
        ("https", HOST + "\n"),
    ],
)
def test_no_signature_for_another_host(scheme: str, host: str) -> None:
    with pytest.raises(NotCodeCommit):
        region_of(scheme, host)
