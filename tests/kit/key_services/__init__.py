"""Services that hold keys, each speaking its real protocol: `async with key_services(folder) as services`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kit.key_services.aws import FakeAWS, aws
from tests.kit.key_services.azure import FakeAzure
from tests.kit.key_services.front import Front, front
from tests.kit.key_services.gcp import FakeGCP
from tests.kit.key_services.vault import FakeVault, vault

__all__ = ["FakeAWS", "FakeAzure", "FakeGCP", "FakeVault", "Front", "KeyServices", "key_services"]


@dataclass(frozen=True)
class KeyServices:
    aws: FakeAWS
    azure: FakeAzure
    gcp: FakeGCP
    vault: FakeVault
    front: Front


@asynccontextmanager
async def key_services(folder: Path) -> AsyncIterator[KeyServices]:
    azure, gcp = FakeAzure(), FakeGCP()
    async with AsyncExitStack() as stack:
        amazon, hashicorp = await stack.enter_async_context(aws()), await stack.enter_async_context(vault())
        made = await stack.enter_async_context(front({**amazon.hosts, **azure.hosts, **gcp.hosts}, folder))
        yield KeyServices(amazon, azure, gcp, hashicorp, made)
