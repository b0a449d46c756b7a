"""How a long message is made to fit: whole lines for as long as there is room, and how many are left out. Pure."""


def shortened(text: str, longest: int) -> str:
    """At most `longest` characters. The first lines stay; a single line that is too long is cut."""
    if len(text) <= longest:
        return text
    lines, kept, size = text.splitlines(), 0, len(f"and {text.count(chr(10)) + 1} more")
    while kept < len(lines) and size + len(lines[kept]) + 1 <= longest:
        size += len(lines[kept]) + 1
        kept += 1
    if kept == 0:
        return text[: longest - 3] + "..."
    return "\n".join([*lines[:kept], f"and {len(lines) - kept} more"])
