"""Reading a user's file into a message, strictly: nothing is ignored, every problem says where it is.

    text ── nodes (YAML 1.2, lines kept) ── reader (by the message's descriptor) ──▶ Document

What the fields mean together is not judged here but in `understudy.checks`; a Document knows the lines, so
that a violation found there can say them too.
"""

from understudy.loading.document import Document, InvalidFile, load_checked, load_document, load_file
from understudy.loading.units import format_duration, parse_duration

__all__ = [
    "Document",
    "InvalidFile",
    "format_duration",
    "load_checked",
    "load_document",
    "load_file",
    "parse_duration",
]
