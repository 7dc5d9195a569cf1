"""A document as the text that a person sees: what offsets of citations count in.

Plain text stays as it is; of Markdown, pictures and links become their words; of HTML, the words between the tags are
left. Everything is linear in the size of the document: tags are found by a scanner of our own, for `html.parser` takes
quadratic time on tags that never close.
"""

import html
import re
from typing import Literal
from urllib.parse import unquote

import msgspec

from ruleforge.sources.prose.chunks import shown, to_text

Format = Literal["plain", "markdown", "html", "pdf"]
MAX_CHARACTERS = 1_000_000  # of the text; what is beyond is left out, and said
MAX_LINE = 20_000  # characters of a line of Markdown whose links and pictures are looked at
MAX_TAG = 4_096  # characters of one tag
WASTE_MOST = 4  # characters looked at in vain for the end of a tag, per character of the document

_BADGE = re.compile(
    r"!\[[^\]\n]{0,200}\]\([^)\s]{0,300}?label=([^&)\s]{1,80})&message=([^&\s]{1,2000})"
    r"(?:&\w{1,20}=[\w%-]{0,60}){0,6}\)"
)
_IMAGE = re.compile(r"!\[([^\]\n]{0,300})\]\([^)\n]{0,1000}\)")
_LINK = re.compile(r"(?<!!)\[([^\]\n]{1,300})\]\((https?://[^)\s]{1,1000})(?:[ ]\"[^\"\n]{0,200}\")?\)")
_OWN_FILE = re.compile(r"(?<!!)\[([^\]\n]{1,300})\]\((?!https?:)[^)\s]{1,300}\)")  # a file beside the document
_EMPHASIS = re.compile(r"(?<![\w*])\*\*([^*\n]{1,300})\*\*(?![\w*])")
_ESCAPED = re.compile(r"\\([_*#<>\[\]])")
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|#39|#x27);")
_FENCE = re.compile(r"[ \t]{0,3}(?:`{3,}|~{3,})")
_HTML = re.compile(r"\s{0,200}(?:<\?xml[^>]{0,200}>\s{0,200})?(?:<!doctype[ ]+html|<html[\s>])", re.IGNORECASE)
_BLOCKS = frozenset(
    (
        "p", "div", "br", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4",
        "h5", "h6", "section", "article", "dd", "dt", "dl", "blockquote", "header", "footer", "nav", "main",
        "title", "hr", "form", "option", "figure",
    )
)  # fmt: skip
_UNSEEN = frozenset(("script", "style", "noscript", "template", "svg", "math", "iframe", "object"))
_TAG_NAME = re.compile(r"</?([A-Za-z][A-Za-z0-9]{0,20})(?=[\s/>])")
_STOP = re.compile(r"[<>\"']")
_BLANKS = re.compile(r"[ \t\r\f\v]+")


class Normal(msgspec.Struct, frozen=True):
    """A document as text: at most MAX_CHARACTERS, valid Unicode, lines end in LF."""

    text: str
    format: Format
    problems: tuple[str, ...] = ()


def is_html(head: bytes) -> bool:
    """Whether the beginning of a file is a page."""
    return _HTML.match(head[:4_096].decode("latin-1")) is not None


def normalise(data: bytes, form: Format) -> Normal:
    """Give the text that a person sees of `data`, which is plain text, Markdown or HTML."""
    text = shown(to_text(data)).replace("\r\n", "\n").replace("\r", "\n")
    problems: tuple[str, ...] = ()
    if form == "markdown":
        text = _markdown(text)
    elif form == "html":
        text, problems = _page(text)
    return bounded(text, form, problems)


def bounded(text: str, form: Format, problems: tuple[str, ...] = ()) -> Normal:
    """Cut a text at MAX_CHARACTERS, and say so."""
    if len(text) > MAX_CHARACTERS:
        problems = (*problems, f"only the first {MAX_CHARACTERS:,} of {len(text):,} characters were read")
    return Normal(text[:MAX_CHARACTERS], form, problems)


def _markdown(text: str) -> str:
    """Words for pictures and links outside of fences; fences stay, for what stands in them is meant literally."""
    lines, inside = [], False
    for line in text.split("\n"):
        if _FENCE.match(line[:40]):
            inside = not inside
        elif not inside:
            line = _markdown_line(line)
        lines.append(line)
    return "\n".join(lines)


def _markdown_line(line: str) -> str:
    if len(line) > MAX_LINE:  # nobody wrote it by hand
        return line
    if "](" in line:
        line = _BADGE.sub(lambda found: f"{unquote(found[1])}: {_badge_text(found[2])}", line)
        line = _OWN_FILE.sub(r"\1", _LINK.sub(r"\1 (\2)", _IMAGE.sub(r"\1", line)))
    if "**" in line:
        line = _EMPHASIS.sub(r"\1", line)
    return _ENTITY.sub(lambda found: html.unescape(found[0]), _ESCAPED.sub(r"\1", line))


def _badge_text(quoted: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in unquote(quoted)).split())


class _Page:
    """Gathers the words of a page; preformatted parts become fences, as Markdown has them."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.preformatted = False

    def words(self, text: str) -> None:
        if text:
            text = html.unescape(text)
            self.parts.append(text if self.preformatted else _BLANKS.sub(" ", text.replace("\n", " ")))

    def tag(self, name: str, *, closing: bool) -> None:
        if name == "pre" and self.preformatted is closing:
            self.preformatted = not closing
            self.parts.append("\n```\n")
        elif name in _BLOCKS:
            self.parts.append("\n")
        elif name in ("td", "th") and not closing:
            self.parts.append(" ")


def _page(text: str) -> tuple[str, tuple[str, ...]]:
    page, position, left = _Page(), 0, WASTE_MOST * len(text) + MAX_TAG
    problems: tuple[str, ...] = ()
    while (start := text.find("<", position)) >= 0:
        page.words(text[position:start])
        if text.startswith(("<!", "<?"), start):
            mark = "-->" if text.startswith("<!--", start) else ">"
            end = text.find(mark, start + 2)
            position = len(text) if end < 0 else end + len(mark)
            continue
        name = _TAG_NAME.match(text, start)
        end, looked = _end_of_tag(text, name.end()) if name and left > 0 else (-1, 0)
        if name is None or end < 0:
            left -= looked
            if left <= 0 and not problems:
                problems = ("tags that never end: what follows them was read as text",)
            page.words("<")
            position = start + 1
            continue
        low, closing = name[1].lower(), text[start + 1] == "/"
        position = end + 1
        if low in _UNSEEN and not closing and text[end - 1] != "/":
            found = re.compile(rf"</{low}\b", re.IGNORECASE).search(text, position)
            position = len(text) if found is None else found.start()
        page.tag(low, closing=closing)
    page.words(text[position:])
    if page.preformatted:
        page.tag("pre", closing=True)
    lines = [line.strip() if not line.startswith("\t") else line for line in "".join(page.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(), problems


def _end_of_tag(text: str, start: int) -> tuple[int, int]:
    """The place of the `>` that ends a tag, or -1; and how many characters were looked at."""
    position, most = start, min(len(text), start + MAX_TAG)
    while (found := _STOP.search(text, position, most)) is not None:
        mark = found[0]
        if mark == ">":
            return found.start(), found.end() - start
        if mark == "<":
            return -1, found.end() - start
        # An apostrophe that closes nowhere is a character of its own.
        close = text.find(mark, found.end(), most)
        position = found.end() if close < 0 else close + 1
    return -1, most - start
