"""States of a repository, as an artifact server serves them: the same bytes each time. Pure."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Revision:
    """`files`: path -> text. `tag` tells it from others with other files."""

    tag: str
    files: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"main@sha1:{hashlib.sha1(self.tag.encode(), usedforsecurity=False).hexdigest()}"

    @property
    def file(self) -> str:
        return f"{self.tag}.tar.gz"

    def archive(self) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as tar:
            for name, text in self.files.items():
                content = text.encode()
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        packed = buffer.getvalue()
        return packed[:4] + bytes(4) + packed[8:]  # gzip's own clock

    def artifact(self, base: str, digest: str) -> dict[str, Any]:
        return {
            "digest": digest,
            "lastUpdateTime": "2026-01-01T00:00:00Z",
            "path": self.file,
            "url": f"{base}/{self.file}",
            "revision": self.name,
        }
