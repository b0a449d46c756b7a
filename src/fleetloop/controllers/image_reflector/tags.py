"""The tags of images on disk: a file an image, written whole, so that a restart finds them. Blocking.

Flux: helm-notification-image.md 4.2. That a file is lost is never read as an image without tags: there is no answer then.
"""

import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson


class TagStore:
    """One process writes. `folder` is made when it is not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, image: str, tags: Sequence[str]) -> None:
        """`image`: its canonical name. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".new-", delete=False) as new:
            new.write(orjson.dumps([image, *tags]))
        os.replace(new.name, self._path(image))

    def read(self, image: str) -> list[str] | None:
        """None when nothing is known of the image: no file, or one that cannot be read."""
        try:
            name, *tags = orjson.loads(self._path(image).read_bytes())
        except (OSError, ValueError):
            return None
        return [str(tag) for tag in tags] if name == image else None

    def _path(self, image: str) -> Path:
        return self._folder / f"{hashlib.sha256(image.encode()).hexdigest()}.json"


def in_order(tags: Iterable[str]) -> list[str]:
    """HN17: descending, so that equal sets have equal revisions."""
    return sorted(set(tags), key=str.encode, reverse=True)


def revision_of(tags: Sequence[str]) -> str:
    """HN17: what wakes the policies: adler32 of the JSON array, in decimal."""
    return str(zlib.adler32(orjson.dumps(list(tags))))


def digest_of(tags: Sequence[str]) -> str:
    """As `revision_of`, with the gate FluxStorage: of the lines of a file with them."""
    return "sha256:" + hashlib.sha256("".join(f"{tag}\n" for tag in tags).encode()).hexdigest()
