"""What people write about places in requests: paths, scripts, parameters, headers, cookies, actions.

Every pattern is asked of one sentence of at most MAX_SENTENCE characters and has no nested repetition without bounds.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ruleforge.sources.prose.hosts import is_target_like

MAX_SENTENCE = 1_500
MAX_SENTENCES = 4_000
MAX_IN_SENTENCE = 40  # places of one kind

_SENTENCE_END = re.compile(
    r"(?<=[.!?;])[ \n]+(?=[A-Z*\"'`(#\[-])|\n[ \t]*\n|\n(?=[ \t]{0,8}(?:[-*+#|>]|\d{1,2}[.)]) ?)|(?<=[:|])\n"
)
_SCRIPT_ENDINGS = (
    "php|php[345]|phtml|aspx?|ashx|asmx|axd|jspa?|jspx|jsf|do|action|cgi|fcgi|pl|py|cfm|cfc|html?|xhtml|htx|nsf|exe|dll|lua|sh|rb|xml|json|svc|"
    "xsp|page|faces|seam|esp|asp|mvc|htx|csp|ini|conf|cfg|log|txt|bak|sql|zip|env|yml|jar|war|swf|db|dat|stm|shtml|vbs|ks|hsql|webf"
)
_NAME = r"[A-Za-z_$][\w.$:\[\]{}*-]{0,80}"
_PATH = re.compile(
    r"(?<![\w./\\@~%+#&=-])(?:"
    r"(?P<rooted>/(?:[\w~.$%@+*{}<>!,-]{1,120}/){0,12}[\w~.$%@+*{}:!,-]{0,160})"
    r"|(?P<folders>(?:[\w~.$%@+-]{1,80}/){1,12}[\w~.$%@+-]{0,120})"
    rf"|(?P<script>[\w~+-][\w~.+-]{{0,80}}\.(?:{_SCRIPT_ENDINGS}))(?![\w-])"
    r")(?P<query>\?[\w.\[\]%~$:-]{1,60}(?:=[\w%.+:/~*{}<>\[\]-]{0,120})?(?:&[\w.\[\]%~$:-]{1,60}(?:=[\w%.+:/~*"
    r"{}<>\[\]-]{0,120})?){0,12})?"
)
# A link to the target is a place of the attack where the sentence speaks of one, and not of how to set things up.
_ATTACKED = re.compile(
    r"attack|exploit|inject|vulnerab|payload|malicious|crafted|trigger|bypass|\bxss\b|\brce\b", re.IGNORECASE
)
_SET_UP = re.compile(
    r"\b(?:after|once|start(?:s|ed|ing)?|install\w*|listen\w*|by default|credentials|log in)\b", re.IGNORECASE
)
_OF_AUTHOR = re.compile(
    r"(?:^|/)(?:poc|exp(?:loit)?|evil|payload|attack|shell|cve[-_]\d{4})\w{0,20}\.\w{2,4}$", re.IGNORECASE
)
_OWN_LINK = re.compile(r"https?://(?P<host>[^/?#\s<>\"'`)\]]{1,200})(?P<target>/[^\s<>\"'`#]{1,400})", re.IGNORECASE)
_SCRIPT = re.compile(rf"\.(?:{_SCRIPT_ENDINGS})$", re.IGNORECASE)
# Folders that begin paths of the web, though they are written without a slash.
_WEB_FOLDER = re.compile(
    r"(?:cgi-bin|wp-(?:admin|content|json|includes|login)|api|rest|servlets?|admin(?:istrator)"
    r"?|modules?|includes?|plugins|"
    r"components|ajax|index\.php|v\d|public|scripts|jsp|webapp\w*|app|html|control|download|"
    r"report\w*|manager|console|actuator|graphql|oauth|"
    r"user|users|login|auth|rpc|soap|ws|services?)/",
    re.IGNORECASE,
)
_SURE_FOLDER = re.compile(r"(?:cgi-bin|wp-json|wp-admin|wp-content|api/v\d|rest/api)/[\w.-]{3}", re.IGNORECASE)
_MACHINE = re.compile(
    r"/(?:etc|proc|usr|var|home|root|tmp|bin|sbin|dev|opt|mnt|lib|boot|sys|run|Users|Applications|"
    r"System32|srv|private)(?:/|$)"
    r"|/(?:passwd|shadow)$|/\.{2}(?:/|$)",
)
_FILE_ON_DISK = re.compile(r"\.(?:py|sh|rb|exe|dll|jar|zip|xml|json|txt|ini|conf|cfg|log|yml|sql|db|dat)$")
_DIFF_LINE = re.compile(r"(?:^|\s)(?:diff --git (?:a/\S{1,200} )?|--- |\+\+\+ )$")
_NO_PLACE = re.compile(
    r"/?(?:and/or|or/and|either/or|[nN]/[aA]|read/write|client/server|input/output|i/o|"
    r"tcp/ip|html/js|js/css|css/js|http/\d|https?/|text/|application/"
    r"|image/|multipart/|video/|audio/|linux/|gnu/|pl/sql|os/2|unix/|windows/|24/7|w/|c/c\+\+|\d++(?:[./-]\d++)*+/?\d*$"
    r"|h2/|ce/ee|ee/ce|\w{1,3}/\w{1,3}$)",
    re.IGNORECASE,
)
_SOURCE_CONTEXT = re.compile(r"\b(?:function|class|method|line|lines)\b[^.]{0,60}$", re.IGNORECASE)
_SOURCE_FILE = re.compile(
    r"\.(?:class|inc|lib|func)\.php$|\.(?:c|cc|cpp|h|hpp|go|rs|java|ts|tsx|jsx|js|py|rb)"
    r"$|(?:^|/)(?:src|lib|libs|classes|vendor|tests?)/|^[A-Z]\w+/[A-Z]\w+\.php$"
)
_PLACE_BEFORE = re.compile(
    r"(?:endpoint|uri|url|path|page|script|file|route|resource|servlet|request(?:s|ed|"
    r"ing)?(?: to)?|parameter (?:to|in|of|at)|component"
    r"|via|to|at|in|of|from|GET|POST|PUT|DELETE|interface|module|called|accessing|visiting|"
    r"browsing to)(?: the| a| an)?[ ]?[:(]?[ ]?[\"'`(]?$",
    re.IGNORECASE,
)
_PLACE_AFTER = re.compile(
    r"[\"'`)]{0,2}(?: \w{1,16}){0,2} (?:endpoint|uri|url|path|page|script|file|route|resource|"
    r"servlet|interface|handler|api|component|program|\w{1,40} parameter|cgi)s?\b",
    re.IGNORECASE,
)

_PARAMETER_WORD = (
    r"(?:parameters?|params?|arguments?|fields?|variables?|inputs?|query[ -]?strings?|propert(?:y|"
    r"ies)|keys?|attributes?|argument|headers?|cookies?)"
)
_QUALIFIER = (
    r"(?:(?:HTTP|POST|GET|PUT|REQUEST|URL|URI|query(?:[ -]string)?|form|body|JSON|XML|SOAP|"
    r"request|string|user|hidden|multipart|input|search|shortcode|configuration) ){0,3}"
)
_QUOTED_NAME = (
    r"(?:`(?P<tick>[^`\s]{1,80})`|[\"“'‘](?P<quote>[^\"”'’\s]{1,80})[\"”'’]|(?P<bare>[A-Za-z_$][\w.$\[\]{}:-]{0,80}))"
)
# "the id parameter", "`a`, `b` and `c` parameters"
_NAMED_BEFORE = re.compile(
    r"(?P<list>(?:[`\"'“‘]?[A-Za-z_$][\w.$\[\]{}:-]{0,80}[`\"'”’]?(?:, (?:and |or )?| and | or | & |/|, and/or ))"
    r"{0,10}[`\"'“‘]?[A-Za-z_$][\w.$\[\]{}:*-]{0,80}[`\"'”’]?)(?:\(s\))? "
    + _QUALIFIER
    + r"(?P<word>"
    + _PARAMETER_WORD
    + r")(?![\w-])"
)
# "the parameter `id`", "manipulation of the argument id leads to"
_NAMED_AFTER = re.compile(
    r"\b(?P<word>"
    + _PARAMETER_WORD
    + r")(?: (?:named|called|is|name|like|such as|with (?:the )?name))?:? (?P<list>"
    + r"(?:[`\"'“‘][A-Za-z_$][\w.$\[\]{}:-]{0,80}[`\"'”’](?:, (?:and |or )?| and | or | & |/))"
    + r"{0,10}[`\"'“‘][A-Za-z_$][\w.$\[\]{}:-]{0,80}[`\"'”’])"
)
# "parameter names such as LD_PRELOAD": without quotes only what is written as no word is
_NAMED_BARE = re.compile(
    r"\b(?P<word>[Pp]arameters?|params?|[Aa]rguments?|[Vv]ariables?|query string|field)(?: names?)"
    r"? ?(?:such as|named|called|like|:|is)? "
    r"(?P<list>(?:[A-Za-z]{1,30}_\w{1,60}|[a-z]{1,20}[A-Z]\w{1,40}|[A-Z]{3,40})(?:(?:, "
    r"| and |, and | or )(?:[A-Za-z]{1,30}_\w{1,60}|[a-z]{1,20}[A-Z]\w{1,40})){0,8})(?![\w(/-]|"
    r"\.\w)"
)
_ARGUMENT = re.compile(
    r"\b(?:manipulation|modification|use|tampering) of the (?:argument|parameter|input)"
    r"s? (?P<list>[\w.$\[\]:-]{1,80}(?:(?:/|, | and )[\w.$\[\]:-]{1,80}){0,10}?)"
    r"(?= (?:as part|leads?|with|results?|causes?|to|can|allows?|in)\b)"
)
_ITEM = re.compile(r"[`\"'“‘]?([A-Za-z_$][\w.$\[\]{}:*-]{0,80})[`\"'”’]?")
_IN_FILENAME = re.compile(
    r"\b(?:in|via|through|as) (?:a |an |the )?(?:(?:crafted|malicious|uploaded|upload)"
    r" )?(?P<name>file ?names?)\b(?! (?:parameter|param|argument|field|extension))"
)
_QUERY_PAIR = re.compile(r"(?<![\w&])[?&](?P<name>[A-Za-z_][\w.\[\]%-]{0,60})=(?P<value>[\w%./:+*-]{0,80})")
_PLAIN_PAIR = re.compile(r"(?<![\w?&=<./-])(?P<name>[a-zA-Z_][\w\[\]-]{1,40})=(?P<value>[\w*/.-]{1,80})(?![\w=\"])")
_ACTION = re.compile(
    r"[`\"'“‘]?(?P<name>[A-Za-z_][\w-]{3,80})[`\"'”’]?,? (?:(?:AJAX|ajax|Ajax) (?:action|"
    r"call|endpoint|hook|request|function|handler)s?|(?:wp_ajax|admin-ajax) action)\b"
)
_ACTION_AFTER = re.compile(
    r"\b(?:AJAX|ajax|Ajax) (?:action|call|hook|function)s?,? (?:named |called )?[`\"'“‘](?P<name>[A-Za-z_][\w-"
    r"]{3,80})[`\"'”’]"
    r"|\bwp_ajax_(?:nopriv_)?(?P<hook>[a-z][\w]{3,80})"
)
_HEADER_WORD = re.compile(
    r"(?<![\w-])(?P<name>X(?:-[A-Za-z0-9]{1,20}){1,5}|User-?[Aa]gent|Referr?er|Host|Cookie|"
    r"Authorization|Accept(?:-[A-Z][a-z]{1,12})?|Content-[A-Z][a-z]{1,12}"
    r"|Origin|Forwarded|Client-IP|Range|Via|[A-Z][A-Za-z0-9]{1,20}(?:-[A-Z][A-Za-z0-9]{1,20})"
    r"{1,4})[`\"']?(?: HTTP)?(?: request)? (?:header|field|HTTP header|value)s?\b"
    r"|\bheaders? (?:named |called )?[`\"'](?P<quoted>[A-Za-z][\w-]{1,40})[`\"']"
)
_COOKIE_BEFORE = re.compile(
    r"[`\"'](?P<quoted>[\w.-]{2,60}(?:=[\w.%-]{0,60})?)[`\"'] cookies?\b"
    r"|(?P<bare>[\w.-]{2,60}(?:=[\w.%-]{1,60})?) cookies?\b"
)
_COOKIE_AFTER = re.compile(
    r"\bcookies? (?:named |called |value )?(?:[`\"'](?P<quoted>[\w.-]{2,60}(?:=[\w.%-]{0,60})?)[`\"']"
    r"|(?P<bare>[\w.-]{2,60}=[\w.%-]{1,60}))"
)
_METHOD = re.compile(
    r"(?<![\w-])(?P<method>GET|POST|PUT|DELETE|PATCH|OPTIONS|PROPFIND|HEAD)(?= (?:request|"
    r"parameter|param|method|handler|data|body|field|to |variable|call|form|endpoint)|"
    r"[ ]?/|-(?:request|param|based))"
    r"|(?<=HTTP )(?P<after>GET|POST|PUT|DELETE|PATCH)\b|(?<=via )(?P<via>GET|POST|PUT)\b"
)
_COMPONENT = re.compile(r"(?<!\w)com_[a-z0-9_-]{2,50}(?!\w)")


_THE = re.compile(r"(?:\bthe|\bits|\bvia|\bthrough|\bin|\band|\bor|,|\.\w{1,6}|/[\w.-]{1,20})[ ]$", re.IGNORECASE)
_NO_ENDING = re.compile(r"(?:'s|-supplied|-controlled|(?<!rep|app|sup|fam)[a-z]{3}ly)$", re.IGNORECASE)


_WORDS = msgspec.json.decode((Path(__file__).parent / "talk_words.json").read_bytes(), type=dict[str, frozenset[str]])
_NO_NAME = _WORDS["no_name"]  # stand before "parameter" without being the name of one
# Names of parameters as well as words for what a parameter is: a name only after "the", written in small letters.
_EITHER = _WORDS["either"]
_NEVER = _WORDS["never"]  # no name even in quotes


class Mention(msgspec.Struct, frozen=True):
    """A place that a sentence names; offsets in the text."""

    kind: str
    value: str
    start: int
    end: int
    confidence: str = "likely"
    note: str = ""  # of a parameter: query, form or ""; of an argument: its value


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the sentences of a text; longer ones than MAX_SENTENCE come in pieces."""
    start, count = 0, 0
    for found in _SENTENCE_END.finditer(text):
        yield from _pieces(start, found.start())
        start, count = found.end(), count + 1
        if count >= MAX_SENTENCES:
            return
    yield from _pieces(start, len(text))


def _pieces(start: int, end: int) -> Iterator[tuple[int, int]]:
    for at in range(start, min(end, start + MAX_SENTENCE * 20), MAX_SENTENCE):
        yield at, min(at + MAX_SENTENCE, end)


def places(sentence: str, base: int) -> list[Mention]:
    """Find the paths and scripts of a sentence that begins at `base`."""
    found: list[Mention] = []
    for match in _PATH.finditer(sentence):
        if len(found) >= MAX_IN_SENTENCE:
            break
        value = match[0].rstrip(".,:;!*")
        start = match.start()
        confidence = _place_confidence(match, value, sentence)
        if confidence:
            found.append(Mention("endpoint", value, base + start, base + start + len(value), confidence))
    attacked = _ATTACKED.search(sentence) is not None and _SET_UP.search(sentence) is None
    for match in _OWN_LINK.finditer(sentence) if attacked else ():
        value = match["target"].rstrip(".,:;!*)'\"`")
        if len(value) > 2 and len(found) < MAX_IN_SENTENCE and is_target_like(match["host"]):
            start = base + match.start("target")
            found.append(Mention("endpoint", value, start, start + len(value)))
    return found


def _place_confidence(match: re.Match[str], value: str, sentence: str) -> str:
    """How sure it is that this is a place of the product; "": it is none."""
    path = value.partition("?")[0]
    before, after = sentence[max(0, match.start() - 60) : match.start()], sentence[match.start() + len(value) :][:60]
    if path == "/" and "=" in value:
        return "certain"
    if _is_no_place(path, before, after):
        return ""
    script = bool(_SCRIPT.search(path))
    named = bool(_PLACE_BEFORE.search(before) or _PLACE_AFTER.match(after))
    of_code = bool(_SOURCE_CONTEXT.search(before))
    if _SOURCE_FILE.search(path) and not (match["rooted"] is not None and named and script):
        return "possible" if named or script else ""
    if match["rooted"] is not None:
        if script or named or path.count("/") > 1 or value != path:
            return "possible" if of_code and not named else "certain"
        return "likely" if re.match(r"/[A-Za-z][\w.-]{2,}$", path) and not re.search(r"\w$", before) else ""
    if match["folders"] is not None:
        return _folder_confidence(path, script=script, named=named, of_code=of_code)
    return "" if _FILE_ON_DISK.search(path) and not named else "possible" if of_code else "likely"


def _is_no_place(path: str, before: str, after: str) -> bool:
    if _MACHINE.match(path) or _NO_PLACE.match(path) or len(re.findall(r"[A-Za-z]", path)) < 2 or path.endswith("/*"):
        return True
    if _OF_AUTHOR.search(path) or _DIFF_LINE.search(before):  # a patch's a/ and b/: see `code_talk`
        return True
    return bool(re.search(r"https?:$|://\S{0,200}$|\\$", before)) or after.startswith(("://", "@"))


def _folder_confidence(path: str, *, script: bool, named: bool, of_code: bool) -> str:
    if script:
        return "possible" if of_code else "certain"
    if _SURE_FOLDER.match(path):
        return "certain"
    return "likely" if _WEB_FOLDER.match(path) and named and len(path) > 5 else ""


def parameters(sentence: str, base: int) -> list[Mention]:
    """Find the parameters that a sentence names."""
    found: dict[tuple[str, int], Mention] = {}
    for pattern in (_NAMED_BEFORE, _NAMED_AFTER, _NAMED_BARE, _ARGUMENT):
        for match in pattern.finditer(sentence):
            word = match["word"].lower() if "word" in match.re.groupindex else "argument"
            if word.startswith(("header", "cookie")):
                continue
            quoted_only = (
                word.startswith(("key", "propert", "attribute", "input", "variable", "field"))
                and pattern is _NAMED_BEFORE
            )
            for item in _ITEM.finditer(sentence, match.start("list"), match.end("list")):
                mention = _parameter(item, sentence, base, quoted_only=quoted_only, sure=pattern is _ARGUMENT)
                if mention is not None and len(found) < MAX_IN_SENTENCE:
                    found.setdefault((mention.value, mention.start), mention)
    for match in _IN_FILENAME.finditer(sentence):
        at = base + match.start("name")
        found.setdefault(
            (match["name"], at), Mention("parameter", match["name"], at, base + match.end("name"), "likely", "filename")
        )
    for match in _QUERY_PAIR.finditer(sentence):
        at = base + match.start("name")
        found.setdefault(
            (match["name"], at), Mention("parameter", match["name"], at, base + match.end("name"), "certain", "query")
        )
    return sorted(found.values(), key=lambda mention: mention.start)


def _parameter(
    item: re.Match[str], sentence: str, base: int, *, quoted_only: bool, sure: bool = False
) -> Mention | None:
    name = item[1].rstrip(".:")
    quoted = sentence[item.start() : item.start() + 1] in "`\"'“‘" and item.start() < item.start(1)
    if name.lower() in _NEVER or (len(name) < 2 and quoted and not name.isalpha()):
        return None
    if not quoted and not sure and (name.lower() in _NO_NAME or _NO_ENDING.search(name)):
        return None
    if (
        not quoted
        and not sure
        and name.lower() in _EITHER
        and not (name.islower() and _THE.search(sentence[max(0, item.start() - 24) : item.start()]))
    ):
        return None
    if not quoted and quoted_only and not re.search(r"[_\[\]\d$]|[a-z][A-Z]|^[A-Z]{2,}$", name):
        return None
    if _SCRIPT.search(name) or re.fullmatch(r"\d[\d.]*", name) or (len(name) == 1 and not quoted and name in "aAI"):
        return None
    start = base + item.start(1)
    return Mention("parameter", name, start, start + len(name), "certain" if quoted else "likely")


def arguments(sentence: str, base: int) -> list[Mention]:
    """Find `name=value` as a sentence writes it: an argument whose value belongs to the call."""
    found: list[Mention] = []
    for match in (*_QUERY_PAIR.finditer(sentence), *_PLAIN_PAIR.finditer(sentence)):
        if match["value"] and len(found) < MAX_IN_SENTENCE:
            start, end = base + match.start("name"), base + match.end("value")
            found.append(Mention("argument", sentence[start - base : end - base].rstrip("."), start, end, "likely"))
    return found


def actions(sentence: str, base: int) -> list[Mention]:
    """Find the names of calls that a front controller hands on: AJAX actions, components of Joomla."""
    found: list[Mention] = []
    for match in (*_ACTION.finditer(sentence), *_ACTION_AFTER.finditer(sentence)):
        group = "name" if match["name"] else "hook"
        start, end = base + match.start(group), base + match.end(group)
        if match[group].lower() not in _NO_NAME and "." not in match[group]:
            found.append(Mention("action", match[group], start, end, "likely", "ajax"))
    found += [
        Mention("action", match[0], base + match.start(), base + match.end(), "certain", "component")
        for match in _COMPONENT.finditer(sentence)
    ]
    return found[:MAX_IN_SENTENCE]


def headers(sentence: str, base: int) -> list[Mention]:
    """Find the headers that a sentence names."""
    found: list[Mention] = []
    for match in _HEADER_WORD.finditer(sentence):
        group = "name" if match["name"] else "quoted"
        if match[group].lower() not in ("cookie", "set-cookie", "content-length", "host-name"):
            found.append(Mention("header", match[group], base + match.start(group), base + match.end(group)))
    return found[:MAX_IN_SENTENCE]


def cookies(sentence: str, base: int) -> list[Mention]:
    """Find the cookies that a sentence names, `name` or `name=value`."""
    found: list[Mention] = []
    for match in (*_COOKIE_BEFORE.finditer(sentence), *_COOKIE_AFTER.finditer(sentence)):
        group = "quoted" if match["quoted"] else "bare"
        start, end = base + match.start(group), base + match.end(group)
        if match[group].partition("=")[0].lower() not in _NO_NAME:
            sure = "certain" if group == "quoted" or "=" in match[group] else "likely"
            found.append(Mention("cookie", match[group], start, end, sure))
    return found[:MAX_IN_SENTENCE]


def methods(sentence: str, base: int) -> list[Mention]:
    """Find the methods that a sentence names."""
    found: list[Mention] = []
    for match in _METHOD.finditer(sentence):
        group = next(name for name in ("method", "after", "via") if match[name])
        found.append(Mention("method", match[group], base + match.start(group), base + match.end(group)))
    return found[:MAX_IN_SENTENCE]
