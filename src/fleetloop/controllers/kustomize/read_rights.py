"""Whether a tenant may read what it wants to know the health of. Asked by reading as the tenant, and remembered for a while."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable

from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Forbidden, NotFound
from fleetloop.kube.objects import ObjectRef

REMEMBERED = 300.0  # seconds
MOST = 10_000


class ReadRights:
    """Remembers only what was granted: a right that is given later is found at once."""

    def __init__(self) -> None:
        self._granted: OrderedDict[tuple[str, str, ObjectRef], float] = OrderedDict()  # until when

    async def refused(self, cluster: str, user: str, kube: Kube, refs: Iterable[ObjectRef]) -> list[str]:
        """A line for each of `refs` that `user`, which `kube` is, may not read. Raises ApiError, Unreachable."""
        lines = []
        for ref in sorted(refs):
            if self._is_granted((cluster, user, ref)):
                continue
            try:
                await kube.get(ref)
            except NotFound:
                pass  # it would have been told
            except ApiError as error:
                if not isinstance(error, Forbidden) and error.status != 400:  # 400: it lacks its namespace
                    raise
                lines.append(f"{ref}: {error.message}")
                continue
            self._grant((cluster, user, ref))
        return lines

    def _is_granted(self, key: tuple[str, str, ObjectRef]) -> bool:
        return self._granted.get(key, 0.0) > asyncio.get_running_loop().time()

    def _grant(self, key: tuple[str, str, ObjectRef]) -> None:
        self._granted[key] = asyncio.get_running_loop().time() + REMEMBERED
        self._granted.move_to_end(key)
        if len(self._granted) > MOST:
            self._granted.popitem(last=False)
