"""Aligned columns, bars and text that is safe to show."""

from collections.abc import Sequence

INDENT = "  "


def table(header: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Columns as wide as their widest cell, two spaces between them."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return [
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def pairs(entries: Sequence[tuple[str, str]], indent: str = INDENT) -> list[str]:
    """Names and values below each other; entries without a value are left out."""
    there = [(name, value) for name, value in entries if value]
    width = max((len(name) for name, _ in there), default=0)
    return [f"{indent}{name.ljust(width)}  {value}" for name, value in there]


def indented(lines: Sequence[str], indent: str = INDENT) -> list[str]:
    return [f"{indent}{line}" if line else line for line in lines]


def bar(done: float, width: int = 20) -> str:
    """A progress bar; `done` is 0 to 1. Full only when done."""
    filled = min(width, int(max(done, 0.0) * width))
    return f"[{'#' * filled}{'-' * (width - filled)}]"


def printable(line: str) -> str:
    """The line with control characters, that a terminal would obey, made visible as `?`."""
    return line if line.isprintable() else "".join(each if each.isprintable() else "?" for each in line)
