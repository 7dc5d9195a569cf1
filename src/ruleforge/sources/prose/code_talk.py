"""Names that code gives away: how a program reads a parameter, and which file a patch changes."""

import re

from ruleforge.sources.prose.talk import MAX_IN_SENTENCE, Mention

_READS = re.compile(
    r"\$_(?P<php>GET|POST|REQUEST|COOKIE|FILES|SERVER)\[[ ]?['\"](?P<p>[\w.\[\]:-]{1,60})['\"][ ]?\]"
    r"|\b(?:request|req|httpRequest|servletRequest)\.(?:getParameter|getHeader)\([ ]?\"(?P<j>[\w.:-]{1,60})\""
    r"|\breq(?:uest)?\.(?P<node>query|body|params|cookies|headers)(?:\.(?P<n>[A-Za-z_]\w{0,60})"
    r"(?![\w(])|\[['\"](?P<nq>[\w.-]{1,60})['\"]\])"
    r"|\brequest\.(?P<flask>args|form|values|cookies|headers|GET|POST)(?:\.get\(|\[)[ ]?['\"](?P<f>[\w.-]{1,60})['\"]"
    r"|\bparams\[:(?P<r>\w{1,60})\]"
    r"|\bRequest\.(?P<asp>QueryString|Form|Params|Cookies)\[[ ]?\"(?P<a>[\w.-]{1,60})\"[ ]?\]"
    r"|\b(?P<filter>INPUT_(?:GET|POST|COOKIE|REQUEST)),[ ]?['\"](?P<i>[\w.-]{1,60})['\"]"
)
_GROUPS = ("p", "j", "n", "nq", "f", "r", "a", "i")
_PLACES = {
    "get": "query", "query": "query", "args": "query", "querystring": "query", "input_get": "query",
    "post": "form", "body": "form", "form": "form", "files": "form", "input_post": "form",
    "cookie": "cookie", "cookies": "cookie", "input_cookie": "cookie", "headers": "header", "server": "header",
}  # fmt: skip
_DIFF = re.compile(r"^diff --git a/(?P<a>\S{1,300}) b/(?P<b>\S{1,300})$|^\+\+\+ b/(?P<c>\S{1,300})", re.MULTILINE)
_SERVED = re.compile(r"\.(?:php\d?|phtml|aspx?|ashx|asmx|jspx?|jsp|cgi|cfm|pl|do|action)$", re.IGNORECASE)
_NO_SERVED = re.compile(r"(?:^|/)(?:tests?|spec|vendor|node_modules|docs?|\.github)/", re.IGNORECASE)


def code_mentions(words: str, base: int) -> list[Mention]:
    """Find the parameters that code in a text reads, and the served files that a patch changes."""
    found: list[Mention] = []
    for match in _READS.finditer(words):
        group = next(name for name in _GROUPS if match[name])
        how = next((match[name] for name in ("php", "node", "flask", "asp", "filter") if match[name]), "")
        place = _PLACES.get(how.lower(), "")
        value = match[group]
        if place == "header" and how == "SERVER":
            if not value.startswith("HTTP_"):
                continue
            place = "header"
        if "getHeader" in match[0]:
            place = "header"
        kind = place if place in ("cookie", "header") else "parameter"
        note = place if kind == "parameter" else ""
        found.append(Mention(kind, value, base + match.start(group), base + match.end(group), "likely", note))
    for match in _DIFF.finditer(words):
        group = next(name for name in ("b", "c") if match[name])
        if _SERVED.search(match[group]) and not _NO_SERVED.search(match[group]):
            found.append(
                Mention("endpoint", match[group], base + match.start(group), base + match.end(group), "possible")
            )
    return found[:MAX_IN_SENTENCE]
