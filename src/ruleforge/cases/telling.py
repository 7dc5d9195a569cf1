"""What tells an attack from the ordinary use of the same product: properties that no ordinary call has.

A request without any is the call that the product's own pages make, less the log-in. A rule on it fires on every user
of the product, unless it asks for what the attacker lacks: a session.
"""

import ipaddress
import re

import msgspec

from ruleforge.cases.anatomy import HOST_LENGTH_MOST, SHELL_COMMAND, Anatomy, Part, expected_classes, odd_host_value
from ruleforge.cases.edit import header_value, target_of
from ruleforge.cases.ordinary import kind_of, last_step
from ruleforge.cases.significance import WEAK_CLASSES, is_namespace, name_classes, path_payload, plain_path
from ruleforge.cases.trust import trust_headers
from ruleforge.events.decoding import base64_decode, percent_decode
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory
from ruleforge.rules.patterns import compile_pattern

LONG_VALUE = 256  # bytes of one repeated character or short piece: an overflow, no text
TRUST_BITS_LEAST = 9.0  # a header that servers trust and that gateways set less often than this tells an attack
LEAST_CREDENTIAL = 8  # bytes of an authorization header: a scheme, a blank and something
SESSION_HEADERS = (b"cookie", b"authorization")

# Weaknesses whose attack is the ordinary call without the right to make it.
_ACCESS_CWES = frozenset(
    f"CWE-{number}"
    for number in (
        200, 201, 209, 264, 266, 269, 276, 280, 284, 285, 286, 287, 288, 289, 290,
        302, 304, 305, 306, 307, 312, 359, 425, 497, 522, 532, 538, 548, 552, 566, 620, 639,
        640, 668, 732, 749, 862, 863, 922, 1188, 1220, 1390,
    )
)  # fmt: skip
_ACCESS_TAGS = frozenset(
    ("unauth", "auth-bypass", "authbypass", "bypass", "idor", "broken-access", "exposure", "disclosure", "info-leak")
)
# Whoever is lured to a page, or has the server fetch one, may well be signed in or need not be.
_NO_ACCESS_CLASSES = frozenset(("xss", "url_value", "internal_address", "url_trick", "crlf_injection"))
_ACCESS_WORDS = re.compile(
    r"unauth(?:enticated|ori[sz]ed)|without (?:\w+ )?(?:authenticat|authori[sz]|logging|credential|login)|"
    r"(?:missing|improper|broken|insufficient|lack of|bypass(?:es|ing)?) (?:\w+ ){0,3}(?:access|authenticat|"
    r"authori[sz]|capability|permission)|(?:access control|authentication|authori[sz]ation) (?:bypass|vulnerab|issue)|"
    r"not (?:require|perform|check|verify)\w* (?:\w+ ){0,3}(?:authenticat|authori[sz]|capabilit|permission)",
    re.IGNORECASE,
)
_BYPASS_CWES = frozenset(("CWE-287", "CWE-288", "CWE-289", "CWE-302", "CWE-303", "CWE-304", "CWE-305", "CWE-1390"))
_AUTH_CWES = frozenset(("CWE-287", "CWE-288", "CWE-306", "CWE-862", "CWE-863", "CWE-284", "CWE-285"))
_SECRET_CWES = frozenset(("CWE-259", "CWE-321", "CWE-506", "CWE-798", "CWE-912"))
_PUBLIC_PAGE = re.compile(
    rb"(?i)/(?:[\w-]*[_-])?(?:log-?_?(?:in|on)|sign-?_?(?:in|up)|register|registration|forgot[\w-]*|reset-?_?password|"
    rb"contact|search|captcha|welcome|home|index|main|start|help|about)(?:\.\w{2,5})?/?\Z|^/\Z"
)
_SECRET_WORDS = re.compile(
    r"back-?door|hard-?coded|(?:static|fixed) (?:\w+ )?(?:credential|password|account|secret|key)",
    re.IGNORECASE,
)
_PRIVILEGE_NAME = re.compile(
    r"(?i)\w*(?:roles?|capabilit(?:y|ies)|privileges?|permissions?)|is_?(?:super_?)?admin\w*|user_?(?:level|type)"
    r"|administrator|admin|superuser|is_?staff|is_?root"
)
_PRIVILEGE_VALUE = re.compile(rb"(?i)(?:wp_)?(?:super_?)?admin(?:istrator)?s?|root|superuser|owner|1|10|true|on|yes|15")
_SENSITIVE_FILE = re.compile(
    rb"\.(?:sql|bak|backup|old|orig|save|swp|zip|tar|t?gz|7z|rar|log|env|ini|conf|cnf|cfg|key|pem|crt|pfx|p12|jks|"
    rb"keystore|passwd|htpasswd|htaccess|db|sqlite3?|mdb|class|dump|hprof|rdb|properties|config|dat|bin|csv|exp|tgz)"
    rb"(?:\.\w{1,4})?/?\Z"
    rb"|/(?:\.git|\.svn|\.hg|\.env|\.aws|\.ssh|\.DS_Store|WEB-INF|META-INF|server-status|server-info|heapdump)(?:/|\Z)"
    rb"|phpinfo|/tests?/.*\.php\Z|/(?:back-?ups?|dumps?|tmp|temp|logs?|debug|private)/?\Z"
    rb"|(?:log|report|back-?up|dump|error|debug|secret|credential|passw|export)[\w-]{0,30}\.(?:txt|csv|ya?ml)\Z"
    rb"|/(?:install|installer|setup|upgrade|reset|backdoor|shell|cmd|exec|debug|console|eval-stdin)\w{0,12}\.\w{2,4}\Z",
    re.IGNORECASE,
)
_HOP_BY_HOP = frozenset(
    b"keep-alive close upgrade te trailer transfer-encoding http2-settings proxy-connection connection".split()
)
_USUAL_USER = re.compile(rb"(?i)admin(?:istrator)?|root|user|guest|test|demo|manager|operator|system|support")
_LIBRARY_FILE = re.compile(
    rb"(?i)/(?:vendor|includes?|inc|libs?|library|libraries|classes|phpmailer|tests?|examples?|samples?)/[^?]{0,200}"
    rb"\.(?:php\d?|inc|jspx?|aspx?|cgi|pl)\Z|\.(?:func|class|inc|lib|config)\.php\Z"
)
_ESCAPED_SIGN = re.compile(rb"%(?:[01][0-9a-f]|23|25|2f|3b|3f|5c|7f)", re.IGNORECASE)
_STATIC_AFTER_SCRIPT = re.compile(
    rb"\.(?:php\d?|jspx?|aspx?|ashx|asmx|do|action|cgi|json|xml|config|db)[/.;%][^?]{0,80}"
    rb"\.(?:css|js|png|gif|jpe?g|svg|ico|woff2?|ttf|html?|ashx)\Z",
    re.IGNORECASE,
)
_ODD_NAME = re.compile(
    rb"..[#$\\|<>(){}\x00-\x1f]|^(?:LD_[A-Z_]+|PHPRC|auto_(?:prepend|append)_file|allow_url_\w+|GLOBALS|_(?:SERVER|SESSION"
    rb"|GET|POST|COOKIE|REQUEST|ENV|FILES)|HTTP_[A-Z_]+|PATH_INFO)(?:\[|\Z)|(?i:^class[.\[])|__proto__|capabilit\w*\["
)
_LOGIN_COOKIE = re.compile(rb"(?i)log(?:ged)?_?-?in|auth|user|admin|sess|sid\Z|token|role|level|id\Z|hash|passw")
_CLAIM = re.compile(rb"(?i)|admin\w{0,12}|root|user|guest|[01]|true|yes|on|\\0\w{0,20}|null|undefined|-1")
_LOCAL = re.compile(rb"(?i)(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|::1|0\.0\.0\.0)(?::\d{1,5})?")
_LOCAL_URL = re.compile(rb"(?i)https?://(?:127\.\d|localhost\b|169\.254\.|\[::1?\]|0\.0\.0\.0|0x7f|2130706433)")
_HIDDEN_FILE = re.compile(
    rb"(?i)(?:^|[/\\])\.(?:git|svn|ssh|env|aws|hg|htaccess|htpasswd|bash_history)(?:[/\\.]|\Z)"
    rb"|^[\w./\\-]{1,200}\.(?:sql|bak|env|pem|key|sqlite3?|htpasswd|passwd|mdb|ini|log)\Z"
)
_RARE_METHODS = frozenset((b"MOVE", b"COPY", b"TRACE", b"TRACK", b"DEBUG", b"CONNECT", b"MKCOL"))
_FILE_ENDING = re.compile(rb"\.[A-Za-z]{2,5}/?\Z")
_SCHEME = re.compile(rb"\s{0,8}([A-Za-z][A-Za-z0-9+.-]{1,15}):")
_WEB_SCHEMES = frozenset((b"http", b"https", b"ftp", b"ws", b"wss"))
_RUNS = frozenset(("command_injection", "code_injection"))
_RUN = re.compile(rb"(.{1,4}?)\1{63,}", re.DOTALL)


class Tell(msgspec.Struct, frozen=True):
    """One property that no ordinary call has, and the value that has it (None: path or method)."""

    phrase: str
    part: Part | None = None
    op: str = ""  # how a rule would ask for it: an operator on the part's value, "" where a payload class or name does
    value: bytes | int | None = None  # what the operator compares with
    field: str = ""  # where a rule would ask, if not in the part's own place


def speaks_of_secret(advisory: Advisory) -> bool:
    """Whether the flaw is a credential that no owner can change; a default one is what new owners log in with."""
    if _SECRET_CWES.intersection(cwe.upper() for cwe in advisory.cwes):
        return True
    return bool(_SECRET_WORDS.search(f"{advisory.title}. {advisory.description[:4_000]}"))


def speaks_of_access(advisory: Advisory) -> bool:
    """Whether the attack is a call without the log-in or right that ordinary users of it have.

    Words count unless the flaw is one that strikes visitors, or fetches for them.
    """
    expected = set(expected_classes(advisory))
    if expected and expected <= _NO_ACCESS_CLASSES:
        return bool(_AUTH_CWES.intersection(cwe.upper() for cwe in advisory.cwes))
    if _ACCESS_CWES.intersection(cwe.upper() for cwe in advisory.cwes):
        return True
    if _ACCESS_TAGS.intersection(tag.lower() for tag in advisory.tags):
        return True
    return bool(_ACCESS_WORDS.search(f"{advisory.title}. {advisory.description[:4_000]}"))


def speaks_of_redirect(advisory: Advisory) -> bool:
    """Whether the flaw sends visitors to another site: links to pages of its own are ordinary use."""
    return "CWE-601" in advisory.cwes or "redirect" in advisory.tags


def public_page(anatomy: Anatomy) -> bool:
    """Whether visitors without a log-in ask for the page in ordinary use: to log in, sign up, search or write."""
    return bool(_PUBLIC_PAGE.search(target_of(anatomy.poc.request).path[-300:]))


def signed_in(anatomy: Anatomy) -> bool:
    """Whether the request itself carries a session or credentials."""
    cookies = [part for part in anatomy.parts if part.place == "cookies"]
    if cookies and all(_forged(part) for part in cookies) and not header_value(anatomy.poc.request, b"authorization"):
        return False
    return any(header_value(anatomy.poc.request, name) for name in SESSION_HEADERS)


def telling(anatomy: Anatomy, advisory: Advisory) -> tuple[Tell, ...]:
    """Say what of the request no ordinary call of the product has; empty where there is nothing."""
    found = [_whole(_path(anatomy)), _whole(_method(anatomy)), _credentials(anatomy, advisory), _hop_by_hop(anatomy)]
    found += [_value(part, anatomy, advisory) or _header(part) for part in anatomy.parts]
    return tuple(tell for tell in found if tell is not None)


def _whole(phrase: str) -> Tell | None:
    return Tell(phrase) if phrase else None


def _hop_by_hop(anatomy: Anatomy) -> Tell | None:
    """A header that a proxy is asked to drop on the way: what it added or checked does not arrive."""
    value = header_value(anatomy.poc.request, b"connection") or b""
    for token in value.lower().split(b",")[:20]:
        name = token.strip()
        if name and name not in _HOP_BY_HOP:
            part = Part("headers", b"connection", value)
            return Tell(f"a proxy is asked to drop {name.decode('latin-1')[:60]}", part, "contains", name)
    return None


def _without_password(value: bytes) -> bool:
    scheme, _, encoded = value.partition(b" ")
    plain = base64_decode(encoded.strip()[:1_024]) if scheme.lower() == b"basic" else None
    return plain is not None and plain.endswith(b":")


def _credentials(anatomy: Anatomy, advisory: Advisory) -> Tell | None:
    """A log-in that is the same in every installation, where the flaw is that there is one."""
    value = header_value(anatomy.poc.request, b"authorization")
    if value and len(value) < LEAST_CREDENTIAL and not any(mark in value for mark in anatomy.poc.standins):
        part = Part("headers", b"authorization", value)
        return Tell("the authorization is too short for one", part, "length_lt", LEAST_CREDENTIAL)
    if value and _without_password(value):
        return Tell("the log-in has no password", Part("headers", b"authorization", value), "equals", value)
    if not value or not speaks_of_secret(advisory) or any(m in value for m in anatomy.poc.standins):
        return None
    part = Part("headers", b"authorization", value)
    return Tell("the authorization is a fixed secret of the product", part, "equals", value)


def _path(anatomy: Anatomy) -> str:
    if path_payload(anatomy):
        return "the path carries a payload"
    path = target_of(anatomy.poc.request).path
    if b"://" in path[1:] or re.search(rb"(?i)https?:", path):
        return "a URL stands in the path"
    if plain_path(anatomy) and path not in (b"", b"/", b"*"):
        return "the path is written in an unusual way"
    decoded = percent_decode(path)
    if decoded != path and re.fullmatch(rb"[\w./~-]+", decoded):
        return "letters of the path are escaped for no reason"
    if b":/" in path[1:]:
        return "a second path stands in the path"
    if _ESCAPED_SIGN.search(path):
        return "a sign that ends or splits a path is escaped in it"
    if _STATIC_AFTER_SCRIPT.search(decoded[-2_000:]):
        return "the name of a static file follows a program"
    request = anatomy.poc.request
    if request.method == b"GET" and b"?" not in request.target and _LIBRARY_FILE.search(decoded[-2_000:]):
        return "the path leads to a part of a program that other parts call"
    if _SENSITIVE_FILE.search(decoded[-2_000:]):
        return "the path leads to a file that no page links"
    return ""


def _method(anatomy: Anatomy) -> str:
    method = anatomy.poc.request.method.upper()
    if method in _RARE_METHODS:
        return f"no ordinary client sends {method.decode('latin-1')}"
    if method == b"PUT" and _FILE_ENDING.search(target_of(anatomy.poc.request).path):
        return "a file is put on the server"
    return ""


def _header(part: Part) -> Tell | None:
    if part.place != "headers":
        return None
    shown = part.name.decode("latin-1")[:60]
    if part.name == b"host":
        sign = odd_host_value(part.value)
        if sign == b"long":
            return Tell("the host is longer than any name", part, "length_gt", HOST_LENGTH_MOST)
        return Tell("the host holds what no name has", part, "contains", sign) if sign else None
    if _LOCAL.fullmatch(part.value):
        return Tell(f"the header {shown} claims the server's own address", part, "equals", part.value)
    trusted = trust_headers().get(part.name.lower())
    if trusted is not None and trusted.bits >= TRUST_BITS_LEAST:
        return Tell(f"clients do not send the header {shown}", part)
    return None


def _value(part: Part, anatomy: Anatomy, advisory: Advisory) -> Tell | None:
    shown = part.name.decode("latin-1")[:60] or part.place
    if is_namespace(part):
        return None
    strong = [name for name in (*part.classes, *name_classes(part), *part.filename_classes) if name not in WEAK_CLASSES]
    if strong:
        return Tell(f"{shown} carries a payload ({strong[0]})", part)
    if part.inner:
        return Tell(f"{shown} carries a payload in base64 ({part.inner[0]})", part)
    if "upload_name" in part.filename_classes or (
        "upload_name" in part.classes and {"upload_name", "code_injection"} & set(expected_classes(advisory))
    ):
        if part.filename_classes:
            return Tell(f"{shown} names a program file", part)
        return Tell(f"{shown} names a program file", part, "is_class", b"upload_name")
    if "url_value" in part.classes and part.place not in ("headers", "body"):
        return _url(part, anatomy, advisory, shown)
    return _odd_text(part, shown) or _plain(part, advisory, shown)


def _odd_text(part: Part, shown: str) -> Tell | None:
    local = _LOCAL_URL.search(part.value[:4_096])
    if local:
        return Tell(f"{shown} holds an address inside the network", part)
    if len(part.value) > LONG_VALUE and _RUN.search(part.value[:4_096]):
        return Tell(f"{shown} is a long run of one piece", part, "length_gt", LONG_VALUE)
    return None


def _plain(part: Part, advisory: Advisory, shown: str) -> Tell | None:
    if part.place in ("headers", "body"):
        return None
    if bare_command(part, advisory):
        return Tell(f"{shown} is a command of a system shell", part, "regex", SHELL_COMMAND)
    if part.place not in ("cookies", "query_args") and _PRIVILEGE_NAME.fullmatch(last_step(part.name)) and (
        _PRIVILEGE_VALUE.fullmatch(part.value)
    ):  # fmt: skip
        return Tell(f"{shown} asks for privileges", part, "equals", part.value)
    if part.place == "cookies" and _forged(part) and speaks_of_access(advisory):
        return Tell(f"the cookie {shown} claims a log-in that it does not prove", part, "equals", part.value)
    if _secret(part) and (speaks_of_secret(advisory) or (_password(part) and _bypasses_login(advisory))):
        return Tell(f"{shown} is a fixed secret of the product", part, "equals", part.value)
    hidden = _HIDDEN_FILE.search(part.value[:1_024])
    if hidden:
        return Tell(f"{shown} names a file that no page offers", part, "contains", hidden[0])
    if odd_name(part):
        return Tell(f"{shown} is no name that a page uses", part)
    return None


def _password(part: Part) -> bool:
    return kind_of(part.name, b"") == "secret"


def _bypasses_login(advisory: Advisory) -> bool:
    """Whether the flaw is a log-in that takes what is no proof: then the sent password is the attack, not a secret."""
    return bool(_BYPASS_CWES.intersection(advisory.cwes)) or bool(
        {"auth-bypass", "authbypass"}.intersection(advisory.tags)
    )


def _forged(part: Part) -> bool:
    """Whether a cookie is a claim (`login=1`, `user=admin`, an empty session), where a session is long and random."""
    return bool(_LOGIN_COOKIE.search(part.name)) and not part.standin and bool(_CLAIM.fullmatch(part.value))


def odd_name(part: Part) -> bool:
    """Whether no page uses the name of this argument."""
    return bool(_ODD_NAME.search(part.name)) and part.place not in ("json", "xml", "cookies", "headers", "body")


def _secret(part: Part) -> bool:
    if part.standin or not 3 <= len(part.value) <= 200:
        return False
    kind = kind_of(part.name, b"")
    return (
        part.place == "cookies"
        or kind in ("secret", "token")
        or (kind == "person" and not _USUAL_USER.fullmatch(part.value))
    )


def _url(part: Part, anatomy: Anatomy, advisory: Advisory, shown: str) -> Tell | None:
    scheme = _SCHEME.match(part.value)
    if scheme and scheme[1].lower() not in _WEB_SCHEMES:
        return Tell(f"{shown} is a URL of an unusual scheme", part, "starts_with", part.value[: scheme.end()])
    if _internal(part.value):
        return Tell(f"{shown} is an address inside the network", part)
    if kind_of(part.name, b"") not in ("link", "address") and not speaks_of_redirect(advisory):
        return Tell(f"{shown} is a URL where none belongs", part, "is_class", b"url_value")
    # An open redirect takes a page of its own site in ordinary use; what fetches a URL takes any.
    if speaks_of_redirect(advisory):
        return Tell(f"{shown} leads to another site", part, "present", field=offsite_field(part, anatomy.poc.request))
    return None


def bare_command(part: Part, advisory: Advisory) -> bool:
    """Whether the value is a command as one types it, where the flaw is to run one."""
    runs = _RUNS.intersection(expected_classes(advisory))
    return bool(runs) and compile_pattern(SHELL_COMMAND).test(part.value[:4_096])


def offsite_field(part: Part, request: Request) -> str:
    """The place that holds a part because it leads to another site; empty where none does."""
    if part.place not in ("query_args", "form_args"):
        return ""
    found = HttpView(request).read("args.offsite", part.name).elements
    return "args.offsite" if any(element.value == part.value for element in found) else ""


def _internal(value: bytes) -> bool:
    """Whether a URL names the server itself or a host of its own network."""
    authority = re.split(rb"[/?#\\]", value.partition(b"//")[2][:300], maxsplit=1)[0].rpartition(b"@")[2]
    name = (authority[1:].partition(b"]")[0] if authority[:1] == b"[" else authority.partition(b":")[0]).lower()
    name = name.rstrip(b".")
    if name in (b"localhost", b"metadata.google.internal") or name.isdigit():
        return True
    try:
        address = ipaddress.ip_address(name.decode("latin-1"))
    except ValueError:
        return False
    return address.is_private or address.is_loopback or address.is_link_local or address.is_unspecified
