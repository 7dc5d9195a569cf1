"""Which requests of a proof of concept carry the attack, which prepare it, and which only look.

Roles are given once, before generation, from the requests and what the source checks in the responses. Every role
comes with its reason.
"""

import re
from collections.abc import Callable, Sequence

import msgspec

from ruleforge.cases.anatomy import Anatomy, dissect, expected_classes
from ruleforge.cases.significance import name_classes
from ruleforge.cases.telling import telling
from ruleforge.records.advisory import Advisory, PocRequest

LOGIN_PATH = re.compile(
    rb"log-?_?in\b|sign-?_?in|logon|/auth(?:enticate)?\b|wp-login\.php|/session|j_security_check|dologin|checklogin|"
    rb"/token\b|oauth|/account/login|user_login|authorize",
    re.IGNORECASE,
)
LOGIN_NAME = re.compile(rb"pass(?:word|wd)?\b|^pwd$|^log$|^psd$|_pass$|password", re.IGNORECASE)
READ_PAGE = re.compile(
    rb"readme|changelog|release[_-]?notes|license\.txt|/version\b|version\.(?:txt|json|js|xml|php)|robots\.txt|"
    rb"favicon|\.(?:css|js|map|md|png|jpe?g|gif|svg|ico|woff2?)$|composer\.json|package\.json|/about\b",
    re.IGNORECASE,
)
PAGE = re.compile(
    rb"^/*(?:[\w-]{1,30}/){0,3}"
    rb"(?:log-?_?in|sign-?_?in|logon|users/sign_in|index|home|default|main|start|welcome|about|help"
    rb"|wp-admin/(?:index|profile|users|plugins|options|options-general|edit|upload|tools|themes|admin))"
    rb"(?:\.(?:php|html?|jsp|aspx?|do|action|cgi))?/?$",
    re.IGNORECASE,
)
SCRIPT_INSIDE = re.compile(rb"\.(?:php|jsp|aspx?|cgi|do)/", re.IGNORECASE)  # what follows is no file of its own
CHANGING = (b"POST", b"PUT", b"PATCH", b"DELETE", b"MOVE", b"COPY", b"MKCOL", b"PROPFIND")
STRONG = frozenset(
    [
        "jndi",
        "xxe",
        "serialized_object",
        "template_injection",
        "code_injection",
        "command_injection",
        "sql_injection",
        "traversal",
        "xss",
        "crlf_injection",
        "ldap_nosql_injection",
    ]
)


class _Traits(msgspec.Struct, frozen=True):
    """What decides a role."""

    anatomy: Anatomy
    expected: bool  # carries a payload of a class that the advisory speaks of
    strong: bool  # carries a payload that is one wherever it stands
    weak: bool  # carries a URL or an upload name only
    upload: bool
    login: bool
    changing: bool
    bare: bool  # a page without arguments: "/", "/index.php", a folder
    read_page: bool
    fetches_result: bool  # its path holds a stand-in: what an earlier request made
    feeds: bool  # its response is read for values that later requests use
    page: bool  # an ordinary look at a start, log-in or information page
    specific: bool  # a path of its own, deeper than a start page
    tells: bool  # has a property that no ordinary call has


def assign_roles(advisory: Advisory) -> Advisory:
    """Return `advisory` with a role and a reason on every request; order and number of requests stay."""
    chained = len({(poc.block, poc.step) for poc in advisory.requests}) > 1
    traits = [_traits(poc, advisory, chained=chained and poc.step + poc.block > 0) for poc in advisory.requests]
    roles = _told_apart(_roles(traits), traits)
    requests = tuple(
        msgspec.structs.replace(poc, role=role, reason=reason)
        for poc, (role, reason) in zip(advisory.requests, roles, strict=True)
    )
    return msgspec.structs.replace(advisory, requests=requests)


def _traits(poc: PocRequest, advisory: Advisory, *, chained: bool) -> _Traits:
    anatomy = dissect(poc)
    expected = set(expected_classes(advisory))
    found = set(anatomy.path_classes)
    for part in anatomy.parts:
        found.update(part.classes)
        found.update(name_classes(part))
        if not (part.place == "headers" and not part.filename_classes):
            found.update(part.filename_classes)
    path = poc.request.target.split(b"?", 1)[0]
    if "url_value" in expected and b"://" in path[1:]:
        found.add("url_value")  # a path is no place for a URL
    names = [part.name for part in anatomy.parts]
    secrets = [p for p in anatomy.parts if LOGIN_NAME.search(p.name) and p.place in ("query_args", "form_args", "json")]
    login = bool(secrets) and (bool(LOGIN_PATH.search(path)) or len(names) <= 6)
    strong = bool(found & STRONG)
    return _Traits(
        anatomy=anatomy,
        expected=bool(found & expected),
        strong=strong,
        weak=bool(found & {"url_value", "upload_name"}),
        upload=any(part.filename is not None for part in anatomy.parts) or poc.request.method == b"PUT",
        login=login and not (found & expected & STRONG),
        changing=poc.request.method.upper() in CHANGING,
        bare=_bare(anatomy),
        read_page=bool(READ_PAGE.search(path)) and not strong and not SCRIPT_INSIDE.search(path),
        # Only a later request can fetch what an earlier one made.
        fetches_result=chained
        and any(segment.standin for segment in anatomy.segments)
        and poc.request.method in (b"GET", b"HEAD"),
        feeds=any(matcher.startswith("extractor-internal:") for matcher in poc.matchers),
        page=_bare(anatomy) and bool(PAGE.search(path)),
        tells=bool(telling(anatomy, advisory)),
        specific=len(anatomy.segments) >= 2 or bool(re.search(rb"[?]", poc.request.target)),
    )


def _bare(anatomy: Anatomy) -> bool:
    """Whether the request is an ordinary look at a page: GET, no arguments, no body, nothing odd."""
    request = anatomy.poc.request
    if request.method not in (b"GET", b"HEAD") or b"?" in request.target or request.body:
        return False
    return not anatomy.has_payload and not any(part.place == "headers" for part in anatomy.parts)


def _roles(traits: Sequence[_Traits]) -> list[tuple[str, str]]:
    if any(t.expected and not t.login for t in traits):
        chosen = [t.expected and not t.login and not _harmless(t) for t in traits]
        why = "carries a payload of the kind the advisory speaks of"
    elif any(t.strong and not t.login for t in traits):
        chosen, why = [t.strong and not t.login for t in traits], "carries an attack payload"
    elif any(t.tells and not t.login for t in traits):
        chosen, why = [t.tells and not t.login for t in traits], "is written as no ordinary call is"
    else:
        chosen, why = _without_payload(traits), "is the unusual call of this source"
    if not any(chosen):
        chosen, why = _without_payload(traits), "is the unusual call of this source"
    # Uploads that the payload request only completes are part of the attack as well.
    return _spread(traits, chosen, why)


def _told_apart(roles: Sequence[tuple[str, str]], traits: Sequence[_Traits]) -> list[tuple[str, str]]:
    """Beside a request that no ordinary user sends, an ordinary call of the same source is no attack."""
    tells = [role == "exploit" and t.tells for (role, _), t in zip(roles, traits, strict=True)]
    if not any(tells):
        return list(roles)
    last = max(index for index, flag in enumerate(tells) if flag)
    apart = []
    for index, ((role, why), flag) in enumerate(zip(roles, tells, strict=True)):
        if role == "exploit" and not flag:
            role, why = ("setup", "prepares a later request") if index < last else ("probe", "looks at the result")
        apart.append((role, why))
    return apart


def _harmless(t: _Traits) -> bool:
    return t.bare and not t.anatomy.has_payload


def _without_payload(traits: Sequence[_Traits]) -> list[bool]:
    """No request carries a payload class: take the calls that change something, else those that are not plain pages."""
    tests: tuple[Callable[[_Traits], bool], ...] = (
        lambda t: t.upload and not t.login,
        lambda t: t.changing and not t.login and not t.feeds,
        lambda t: t.changing and not t.login,
        lambda t: t.weak and not t.login,
        lambda t: not t.bare and not t.login and not t.read_page and not t.fetches_result and not t.feeds,
        lambda t: t.specific and not _looks(t) and not t.feeds,
        lambda t: bool(t.anatomy.segments) and not _looks(t),
        lambda t: t.login,
    )
    for test in tests:
        chosen = [bool(test(t)) for t in traits]
        if any(chosen):
            return chosen
    return [False] * len(traits)


def _looks(t: _Traits) -> bool:
    return t.login or t.read_page or t.page or t.fetches_result


def _spread(traits: Sequence[_Traits], chosen: Sequence[bool], why: str) -> list[tuple[str, str]]:
    last = max((index for index, flag in enumerate(chosen) if flag), default=-1)
    roles = []
    for index, (t, flag) in enumerate(zip(traits, chosen, strict=True)):
        if flag:
            roles.append(("exploit", why))
        elif last < 0:
            roles.append(("probe", "only looks at a page"))
        elif t.login:
            roles.append(("setup", "logs in"))
        elif index < last:
            if t.bare and not t.feeds and not t.changing and _start_page(t):
                roles.append(("probe", "looks at a page before the attack"))
            else:
                roles.append(("setup", "prepares a later request"))
        else:
            roles.append(("probe", "looks at the result"))
    return roles


def _start_page(t: _Traits) -> bool:
    return len(t.anatomy.segments) <= 1 or t.read_page
