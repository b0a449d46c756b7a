"""The few of Protocol Buffers' encodings that a trace needs. Pure."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def number(field: int, value: int) -> bytes:
    return _tag(field, _VARINT) + _varint(value) if value else b""


def fixed64(field: int, value: int) -> bytes:
    return _tag(field, _FIXED64) + value.to_bytes(8, "little") if value else b""


def fixed32(field: int, value: int) -> bytes:
    return _tag(field, _FIXED32) + value.to_bytes(4, "little") if value else b""


def text(field: int, value: str) -> bytes:
    return message(field, value.encode()) if value else b""


def message(field: int, content: bytes) -> bytes:
    """Bytes, or a message that is encoded already; there even when it is empty."""
    return _tag(field, _BYTES) + _varint(len(content)) + content


def _tag(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
