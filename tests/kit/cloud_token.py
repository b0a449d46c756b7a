"""`python -m tests.kit.cloud_token CLOUD ANNOTATIONS PROXY ENDPOINT`: the token this process' environment leads to, as JSON.

A process of its own, because the clouds' libraries take their endpoints from the environment. ANNOTATIONS: JSON, of a
ServiceAccount `team/sa`, whose token for an audience is `token-for-<audience>`; `own` for the process's own identity.
"""

import asyncio
import dataclasses
import json
import sys

from fleetloop import auth
from fleetloop.auth.gcp import GcpEndpoints, gcp_token


async def main(cloud: str, annotations: str, proxy_address: str, endpoint: str) -> object:
    proxy = auth.proxy_access({"address": proxy_address.encode()}) if proxy_address else None
    identity = auth.OWN_IDENTITY
    if annotations != "own":

        async def request_token(audience: str) -> str:
            return f"token-for-{audience}"

        identity = auth.WorkloadIdentity(json.loads(annotations), request_token, "team", "sa")
    try:
        match cloud:
            case "aws":
                return dataclasses.asdict(await auth.aws_credentials(identity, "eu-central-1", proxy))
            case "azure":
                return dataclasses.asdict(await auth.azure_token(identity, auth.DEVOPS_SCOPE, proxy))
            case _:
                endpoints = GcpEndpoints(endpoint + "/gcp/sts", endpoint + "/gcp/iam")
                return dataclasses.asdict(await gcp_token(identity, proxy=proxy, endpoints=endpoints))
    except auth.IdentityError as error:
        return {"error": str(error), "class": type(error).__name__}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
