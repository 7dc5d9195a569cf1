"""Links and relative references in a text, and how far each of them shows an attack."""

import re
from collections.abc import Sequence

import msgspec

from ruleforge.rules.classes import classes_of
from ruleforge.sources.prose.chunks import to_bytes
from ruleforge.sources.prose.drafts import Draft
from ruleforge.sources.prose.hosts import is_about, is_target_like

MAX_LINKS = 400
MAX_LINE = 16 << 10  # characters of a line that are looked at

SHOWN, LIKELY, HINT = 3, 2, 1  # how far a link shows an attack

_CHARACTERS = r"(?:\[[^\]\n]{0,60}\]|[^\s`])"
_ABSOLUTE = re.compile(rf"(?:(?<![A-Za-z0-9])|(?<=[&?=]))https?://{_CHARACTERS}++", re.IGNORECASE)
_NO_SCHEME = re.compile(
    r"(?<![\w./@:%-])(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|(?:www\.)?(?:your)?(?:target|victim|site|host|example|server|domain"
    r"|website|vulnerable)[\w-]{0,20}(?:\.[a-z]{2,6}){0,2}|[\[<{](?:[a-zA-Z][\w .-]{0,30})[\]>}])"
    rf"(?::\d{{1,5}}|:[\[<{{]?\w{{1,10}}[\]>}}]?)?(?=/){_CHARACTERS}++",
    re.IGNORECASE,
)
_SCRIPT = (
    r"php\d?|phtml|asp|aspx|jspx?|cgi|pl|do|action|cfm|cfc|html?|ashx|asmx|py|rb|dll|exe|nsf|jsf|xhtml|esp|fcgi|lua"
)
_RELATIVE = re.compile(
    rf"(?<![\w./:%@=?&>\\-])(?:"
    rf"(?:(?:/|\[[\w -]{{1,20}}\]/)?(?:[\w.~%+-]{{1,80}}/){{0,10}}[\w~%+-][\w.~%+-]{{0,80}}"
    rf"\.(?:{_SCRIPT})(?:/[^\s?`]{{1,200}})?\?{_CHARACTERS}++)"
    rf"|(?:/(?:[\w.~%+;:@-]{{1,80}}/){{0,10}}[\w.~%+;:@-]{{0,80}}\?[\w\[\]%.$:-]{{1,80}}=?{_CHARACTERS}++)"
    rf"|(?:/(?=[^\s`*]{{0,300}}(?:\.\.|%[0-9a-fA-Fu]{{2}}|;))(?=[^a-zA-Z]{{0,300}}[a-zA-Z])[^\s`\"<>]{{4,2000}})"
    rf"|(?<=`)/[^\s`]{{2,500}}(?=`))",
    re.IGNORECASE,
)
_CLOSERS = {'"': '"', "'": "'", "`": "`", "<": ">", "(": ")", "“": "”", "‘": "’"}
_GOES_ON = re.compile(
    r"[ \t]+(?:union|select|and|or|order|from|where|having|group|limit|procedure|like|into|sleep|waitfor|if\s?\("
    r"|alert|script|src|on\w{3,12}=|cat|--(?!>)|\+|'|\"|<|>|/\*|\|\|?|&&|%[0-9a-f]{2}|\(|\d+[,=]|[a-z_]{1,20}=)",
    re.IGNORECASE,
)
_WORDS = re.compile(
    r"\bpocs?\b|p0c|exploit|expl0it|sploit|xpl\b|vulnerab|payload|attack|proof|inject|bypass|demo\b|live|example|trigger"
    r"|\brequest|\bsend|\bvisit|\baccess|execut|\bxss\b|sql|\blfi\b|\brfi\b|\brce\b|traversal|sqlmap|browse|\burl\b|crafted"
    r"|malicious|following|affected|parameter|reproduc|\bhttp|usage|\bget\b|\bpost\b",
    re.IGNORECASE,
)
_CALLS = re.compile(
    r"\bpocs?\b|p0c|exploit|expl0it|sploit|xpl\b|payload|proof|demo\b|trigger|\brequest|\bsend|\bvisit|\baccess|browse|\burl\b"
    r"|crafted|following|reproduc|\bget\b|\bpost\b|curl|bypass",
    re.IGNORECASE,
)
_PAGE = re.compile(
    r"^/{0,4}(?:[\w-]{1,30}/){0,2}(?:log-?_?in|sign-?_?in|index|home|default|main|welcome|admin|console|setup|install|dashboard)"
    r"(?:\.\w{2,5})?/?$",
    re.IGNORECASE,
)
_PROGRAM = re.compile(r"\W{0,6}(?:python|java|perl|ruby|php|docker|wget|git|node|go|nc|nmap|npm|pip)\d?\b|\W{0,4}\./")
_RUNNING = re.compile(r"listens? |\bstart|running|by default", re.IGNORECASE)
_ASIDE = re.compile(
    r"vendor|home ?page|download|software|reference|\bauthor|greet|\bblog|\bdork|\bpatch|\bcontact|web ?site|\bsee also"
    r"|\bmore info|advisor|\bcredit|source code|\bthank|mailto|\bfound by|mirror|changelog|documentation|\bscript *:"
    r"|installation|install|docker|environment|log ?in",
    re.IGNORECASE,
)
_REFERENCES = re.compile(r"\W{0,12}(?:references?|links|credits|see also|sources?)\b", re.IGNORECASE)
_BARE_LINK = re.compile(r"(?:[-*+#]|\d{1,2}[.)])?[ \t]*(?:\[[^\]]{0,200}\]\()?<?https?://\S{1,300}")
_ENCODED = re.compile(r"%[0-9a-fA-F]{2}|%u[0-9a-fA-F]{4}")
WRAPPED = 50  # characters from which on an editor may have broken a line
MAX_CLOSERS = 64  # brackets and quotes after a link; each costs a look at all of it
LONG = 160  # characters of a line that is a sentence and no reference by itself
_DORK = re.compile(r"inurl:|intitle:|allinurl|\bdorks?\b", re.IGNORECASE)
_STATIC = re.compile(
    r"\.(?:png|jpe?g|gif|svg|pdf|zip|gz|tgz|rar|7z|exe|msi|deb|rpm|jar|war|css|ico|mp4|md)$", re.IGNORECASE
)
_UNIX_FILE = re.compile(
    r"/+(?:etc|tmp|var|usr|home|opt|proc|root|bin|dev|sbin|lib|windows|boot\.ini|mnt|srv)(?:/|$)", re.IGNORECASE
)
_WEAK = ("upload_name", "url_value", "serialized_object")
_PAYLOAD_PLACE = re.compile(
    r"(?:\[|<)[^\]>\n]{0,30}(?:sqli?|inject|xss|lfi|payload|code|cmd|command|exploit|evil)[^\]>\n]{0,30}(?:\]|>)",
    re.IGNORECASE,
)
_PAYLOAD_LINE = re.compile(r"[^\s\"]{12,16000}")
_SPARE_LINE = re.compile(r"[ \t#*/|>;-]*")


class Link(msgspec.Struct, frozen=True):
    """A link, and how far it shows an attack: SHOWN, LIKELY or HINT."""

    draft: Draft
    strength: int


def read_links(lines: Sequence[tuple[int, str]], about: frozenset[str]) -> list[Link]:
    """Find what a text links to, as far as it can be a request to the target.

    Args:
        lines: (number, line) of the lines to read, in order.
        about: what the document is about: the classes of URL parameters that count as an attack.
    """
    found: list[Link] = []
    for index, (number, line) in enumerate(lines):
        if len(found) >= MAX_LINKS:
            break
        short = _with_rest(line, lines, index)[:MAX_LINE]
        if "/" not in short and "?" not in short:
            continue
        for start, raw in _candidates(short):
            link = _link(raw, short, start, number, _context(lines, index), about, lines, index)
            if link is not None:
                found.append(link)
    return found


def _with_rest(line: str, lines: Sequence[tuple[int, str]], index: int) -> str:
    """The line, with the next one where an editor broke a URL in two."""
    if len(line) < WRAPPED or "?" not in line or index + 1 >= len(lines):
        return line
    following = lines[index + 1][1]
    return line + following if following[:1] in ("=", "&", "%", "+") else line


def _candidates(line: str) -> list[tuple[int, str]]:
    """(position, text) of everything in the line that may be a link, without overlaps."""
    taken: list[tuple[int, int]] = []
    for pattern in (_ABSOLUTE, _NO_SCHEME, _RELATIVE):
        for found in pattern.finditer(line):
            start, end = found.start(), _end(line, found.start(), found.end())
            if not any(a < end and start < b for a, b in taken[:200]):
                taken.append((start, end))
    return [(start, line[start:end]) for start, end in sorted(taken)]


def _end(line: str, start: int, end: int) -> int:
    """Where the link ends: at the quote or bracket that closes what opened before it, or where its payload does."""
    closer = _CLOSERS.get(line[start - 1 : start]) if start else None
    if closer is not None:
        stop = line.find(closer, start)
        if closer == ")":
            stop = _closing_bracket(line, start)
        if stop > start and (closer in '`"”' or stop <= end):
            return stop
    url = line[start:end]
    if "?" in url and start < 60 and _GOES_ON.match(line, end):
        return len(line.rstrip())
    bare = url.rstrip(".,;!|") if not url.endswith("../") else url
    for _ in range(MAX_CLOSERS):
        if not bare.endswith((")", "]", "}", '"', ">", "”")) or _balanced(bare):
            break
        bare = bare[:-1]
    return start + len(bare)


def _closing_bracket(line: str, start: int) -> int:
    depth = 1
    for index in range(start, min(len(line), start + 4_000)):
        depth += (line[index] == "(") - (line[index] == ")")
        if depth == 0:
            return index
    return -1


def _balanced(url: str) -> bool:
    last = url[-1]
    opening = {")": "(", "]": "[", "}": "{", ">": "<"}.get(last)
    return url.count(opening) >= url.count(last) if opening else url.count(last) % 2 == 0 or "<" in url or "=" in url


def _context(lines: Sequence[tuple[int, str]], index: int) -> str:
    """What stands shortly before: the three lines above that are not empty."""
    above: list[str] = []
    for at in range(index - 1, max(index - 20, -1), -1):
        text = lines[at][1].strip()
        if text and len(above) < 3 and not _BARE_LINK.fullmatch(text[:400]):  # of a list, its heading counts
            above.append(text[:200])
    return "\n".join(above)


def _link(
    raw: str,
    line: str,
    start: int,
    number: int,
    above: str,
    about: frozenset[str],
    lines: Sequence[tuple[int, str]],
    index: int,
) -> Link | None:
    scheme = re.match(r"https?://", raw, re.IGNORECASE)
    host_first = scheme is not None or bool(_NO_SCHEME.match(raw))
    authority = re.match(r"(?:https?://)?([^/?#]{0,300})", raw, re.IGNORECASE) if host_first else None
    if authority is not None and (is_about(authority[1]) or _REFERENCES.match(above[:80])):
        return None
    rest = raw[authority.end() :] if authority else raw
    if not host_first and (_UNIX_FILE.match(raw) or len(re.findall(r"[A-Za-z]", _ENCODED.sub("", raw[:400]))) < 3):
        return None
    if not host_first and "/*" in raw.partition("?")[0]:  # a comment of SQL, cut out of a longer payload
        return None
    placed = _with_payload_below(raw, lines, index)
    draft = Draft(method="GET", url=placed, line=number, host_first=host_first, complete=False)
    strength = _strength(rest, authority[1] if authority else None, line[:start][-120:], above, about, line)
    return Link(draft, strength) if strength else None


def _strength(rest: str, authority: str | None, before: str, above: str, about: frozenset[str], line: str) -> int:
    """How far the link shows an attack; 0: it does not."""
    path, mark, query = rest.partition("?")
    target_like = authority is None or is_target_like(authority)
    if _has_payload(path, query, about, target_like=target_like) or _PAYLOAD_PLACE.search(rest[:4_000]):
        return SHOWN
    if not target_like or _DORK.search(line[:400]):
        return 0
    if authority is None and len(line) > LONG:  # prose that names an endpoint shows no call of it
        return 0
    near = f"{above}\n{before}"
    nearest = above.partition("\n")[0]
    if _ASIDE.search(before) or (_ASIDE.search(nearest[:80]) and not _WORDS.search(f"{before}\n{nearest}")):
        return 0
    if _STATIC.search(path) and not mark:
        return 0
    if mark and query:
        if authority is None and not _CALLS.search(near):
            return 0
        return LIKELY if _WORDS.search(near) else HINT
    # A bare path says little: only where people show how to attack, and never the start page.
    if _PROGRAM.match(line[:200]) or _RUNNING.search(before):
        return 0
    return HINT if len(path.strip("/.")) > 2 and _CALLS.search(near) and not _PAGE.search(path) else 0


def _has_payload(path: str, query: str, about: frozenset[str], *, target_like: bool) -> bool:
    found = {name for name in classes_of(to_bytes(path)[:4096]) if name not in _WEAK}
    values: set[str] = set()
    for pair in query[:8192].split("&")[:60]:
        values.update(classes_of(to_bytes(pair.partition("=")[2] or pair)))
    values.update(classes_of(to_bytes(query)[:4096]))
    strong = {name for name in values if name not in _WEAK}
    weak = (values & set(_WEAK) & about) if target_like else set()
    return bool(found or strong or weak)


def _with_payload_below(raw: str, lines: Sequence[tuple[int, str]], index: int) -> str:
    """Where the payload stands by itself below the link that says `[SQL]`, put it in its place."""
    place = _PAYLOAD_PLACE.search(raw[:4_000])
    if place is None:
        return raw
    following = [line for _, line in lines[index + 1 : index + 6]]
    spare = [text for text in (_SPARE_LINE.sub("", line, count=1).strip() for line in following) if text][:1]
    if not spare or not _PAYLOAD_LINE.fullmatch(spare[0]) or "://" in spare[0]:
        return raw
    text = spare[0]
    if len(re.findall(r"%[0-9a-fA-F]{2}", text[:400])) < 3 and not classes_of(to_bytes(text)):
        return raw
    return raw[: place.start()] + text + raw[place.end() :]
