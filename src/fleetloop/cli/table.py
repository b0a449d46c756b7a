"""Tables as scripts know them: upper-case headers, every cell padded to its column and followed by a tab, no borders.

⚠ CLI6: the header line ends otherwise, with one space and no tab, and an empty table still has it.
"""

import unicodedata
from collections.abc import Sequence

Row = Sequence[str]


def table(headers: Row, rows: Sequence[Row]) -> str:
    """`headers` may be empty: no header line then, and no column widened for one."""
    cells = [[cell.split("\n") for cell in row] for row in rows]
    columns = len(headers) or max((len(row) for row in rows), default=0)
    widths = [
        max([_width(headers[i]) if headers else 0, *(_width(line) for row in cells for line in row[i])]) for i in range(columns)
    ]
    lines = [_header(headers, widths)] if headers else []
    for row in cells:
        for line in range(max(len(cell) for cell in row)):
            parts = [cell[line] if line < len(cell) else "" for cell in row]
            lines.append("".join(_padded(part, width) + "\t" for part, width in zip(parts, widths, strict=True)))
    return "".join(line + "\n" for line in lines)


def _header(headers: Row, widths: Sequence[int]) -> str:
    return "\t".join(_padded(name.upper(), width) for name, width in zip(headers, widths, strict=True)) + " "


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Columns on a terminal: wide characters take two."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
