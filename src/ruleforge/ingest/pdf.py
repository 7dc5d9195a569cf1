"""The text of a PDF, within bounds of bytes, pages, characters and time; nothing in it is run or fetched."""

import io
import logging
import re
from typing import TYPE_CHECKING

from ruleforge.engine.workers import OutOfTimeError, deadline
from ruleforge.errors import InputError
from ruleforge.sources.prose.normal import MAX_CHARACTERS, Normal, bounded

if TYPE_CHECKING:
    import pypdf

PAGES_MOST = 60
SECONDS_MOST = 20.0
_ALONE = re.compile(r"(?<=[a-z,;-])\n(?=[a-z(/])")  # a line that goes on in the next


def _pages(reader: "pypdf.PdfReader", where: str) -> tuple[list[str], list[str]]:
    """The words of each page, and what was left out."""
    if reader.is_encrypted:
        raise InputError("the PDF is encrypted", where=where, hint="save it without a password", code="RF233")
    count, size = len(reader.pages), 0
    parts: list[str] = []
    problems = [f"only the first {PAGES_MOST} of {count} pages were read"] if count > PAGES_MOST else []
    for number in range(min(count, PAGES_MOST)):
        parts.append(reader.pages[number].extract_text() or "")
        size += len(parts[-1])
        if size > MAX_CHARACTERS:
            break
    return parts, problems


def text_of_pdf(data: bytes, where: str) -> Normal:
    """Read the words of a PDF; pages beyond PAGES_MOST are left out, and said.

    Raises:
        InputError: the extra `pdf` is not installed (RF243); broken, encrypted, or not read in time (RF233).
    """
    try:
        import pypdf
    except ImportError as error:
        hint = "install 'ruleforge[pdf]', or save the document as text"
        raise InputError("PDF files need the library pypdf", where=where, hint=hint, code="RF243") from error
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what is wrong with a stranger's file is no news of ours
    try:
        with deadline(SECONDS_MOST):
            parts, problems = _pages(pypdf.PdfReader(io.BytesIO(data), strict=False), where)
    except InputError:
        raise
    except OutOfTimeError as error:
        told = f"the PDF was not read within {SECONDS_MOST:g} s"
        raise InputError(told, where=where, hint="save it as text", code="RF233") from error
    except RecursionError as error:
        raise InputError("the PDF is nested too deeply", where=where, hint="save it as text", code="RF233") from error
    except Exception as error:
        # The library raises many kinds for broken files.
        told = f"the PDF cannot be read: {type(error).__name__}"
        raise InputError(told, where=where, hint="save it as text", code="RF233") from error
    text = "\n\n".join(parts).encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    text = "".join(c if c in "\n\t" or c.isprintable() else " " for c in text[: 2 * MAX_CHARACTERS])
    if not text.strip():
        problems.append("the PDF holds no text: its pages may be pictures")
    return bounded(_ALONE.sub(" ", text), "pdf", tuple(problems))
