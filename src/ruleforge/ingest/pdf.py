"""The text of a PDF, within bounds of bytes, pages, characters and time; nothing in it is run or fetched."""

import io
import logging
import re

from ruleforge.engine.workers import OutOfTimeError, deadline
from ruleforge.errors import InputError
from ruleforge.sources.prose.normal import MAX_CHARACTERS, Normal, bounded

PAGES_MOST = 60
SECONDS_MOST = 20.0
_ALONE = re.compile(r"(?<=[a-z,;-])\n(?=[a-z(/])")  # a line that goes on in the next


def is_pdf(head: bytes) -> bool:
    """Whether the beginning of a file is that of a PDF."""
    return head[:1_024].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"%PDF-")


def text_of_pdf(data: bytes, where: str) -> Normal:
    """Read the words of a PDF; pages beyond PAGES_MOST are left out, and said.

    Raises:
        InputError: the extra `pdf` is not installed (RF651); broken, encrypted, or not read in time (RF652).
    """
    try:
        import pypdf
    except ImportError as error:
        hint = "install 'ruleforge[pdf]', or save the document as text"
        raise InputError("PDF files need the library pypdf", where=where, hint=hint, code="RF651") from error
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what is wrong with a stranger's file is no news of ours
    parts: list[str] = []
    problems: list[str] = []
    try:
        with deadline(SECONDS_MOST):
            reader = pypdf.PdfReader(io.BytesIO(data), strict=False)
            if reader.is_encrypted:
                raise InputError("the PDF is encrypted", where=where, hint="save it without a password", code="RF652")
            count = len(reader.pages)
            if count > PAGES_MOST:
                problems.append(f"only the first {PAGES_MOST} of {count} pages were read")
            size = 0
            for number in range(min(count, PAGES_MOST)):
                text = reader.pages[number].extract_text() or ""
                parts.append(text)
                size += len(text)
                if size > MAX_CHARACTERS:
                    break
    except InputError:
        raise
    except OutOfTimeError as error:
        told = f"the PDF was not read within {SECONDS_MOST:g} s"
        raise InputError(told, where=where, hint="save it as text", code="RF652") from error
    except RecursionError as error:
        raise InputError("the PDF is nested too deeply", where=where, hint="save it as text", code="RF652") from error
    except Exception as error:  # noqa: BLE001 - the library raises many kinds for broken files
        told = f"the PDF cannot be read: {type(error).__name__}"
        raise InputError(told, where=where, hint="save it as text", code="RF652") from error
    text = "\n\n".join(parts).encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    text = "".join(c if c in "\n\t" or c.isprintable() else " " for c in text[: 2 * MAX_CHARACTERS])
    if not text.strip():
        problems.append("the PDF holds no text: its pages may be pictures")
    return bounded(_ALONE.sub(" ", text), "pdf", tuple(problems))
