"""Requests that look like an exploit and are none: what a normal user could send to the same or another place."""

import re
from base64 import b64encode

import msgspec

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import Anatomy, Part, classes_of, expected_classes
from ruleforge.cases.edit import (
    header_value,
    plain_body,
    target_of,
    with_body,
    with_filename,
    with_header,
    with_name,
    with_path,
    with_query,
    with_value,
    without_header,
)
from ruleforge.cases.mutator import FAMILIES
from ruleforge.cases.ordinary import FILLINGS, last_step, ordinary_file, ordinary_value, prose, shaped_value
from ruleforge.cases.significance import (
    WEAK_CLASSES,
    endpoint_free,
    is_namespace,
    is_selector,
    name_classes,
    path_payload,
    steps_up,
)
from ruleforge.cases.telling import (
    Tell,
    odd_name,
    offsite_field,
    public_page,
    signed_in,
    speaks_of_access,
    speaks_of_redirect,
    telling,
)
from ruleforge.errors import UsageError
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory

__all__ = ["NearMiss", "endpoint_free", "near_miss_exemption", "near_misses", "neutralise"]

_ELSEWHERE = {"feedback": (b"/catalog/item", b"/api/search"), "judge": (b"/shop/basket/view", b"/v1/orders/list")}
_ORDINARY_PATHS = {"feedback": (b"/account/profile", b"/news/archive"), "judge": (b"/contact/form", b"/my/settings")}
_LEAVES = {"feedback": (b"", b"index.html"), "judge": (b"overview", b"logo.png")}
_MAGIC = re.compile(r"(?i)\w*pass(?:word|wd)?|pwd|\w*secret|\w*roles?|is_?admin|user_?(?:level|type)|debug|backdoor")
_LARGE = 16 * 1024  # bytes
_LONG_NAME = 200  # bytes; nobody names a parameter so: the name itself may be the attack
_NAMES = {"feedback": (b"item", b"size", b"colour"), "judge": (b"entry", b"width", b"shade")}
_ODD = re.compile(rb"[{}<>|`$\\\x00-\x08\n\r]|\.\./|\w\(")
_DOCTYPE = re.compile(rb"<!DOCTYPE[^\[>]{0,500}(?:\[[^\]]{0,20000}\]\s*)?>", re.IGNORECASE)
_ENTITY = re.compile(rb"[&%](?!(?:amp|lt|gt|quot|apos);)\w{1,40};")
_ROOT = re.compile(rb"<([A-Za-z_][\w.-]{0,60})")
_LEARNED_PLACES = frozenset(("query_args", "form_args", "json", "multipart"))
LEARNED_PARTS_MOST = 4  # payload parameters of one exploit that get learned values
_SESSIONS = {
    "feedback": ((b"Cookie", b"sessionid=5f1c0a9be4d41a77; lang=en"), (b"Authorization", b"Bearer d41a77c09b5f1c0a")),
    "judge": ((b"Cookie", b"theme=dark; JSESSIONID=9E3B61F20C77AC01"), (b"Authorization", b"Basic YW5uYTp0dWxpcA==")),
}
_AGENT = (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
_ACCEPT = (b"Accept", b"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")


class NearMiss(msgspec.Struct, frozen=True):
    """A harmless request, what kind it is, and why it is harmless."""

    request: Request
    kind: str
    why: str


class _Filling(msgspec.Struct, frozen=True):
    """Which of the ordinary values to use."""

    number: int
    family: str
    prose: bool = False

    def value(self, part: Part) -> bytes:
        return prose(part, self.number) if self.prose else ordinary_value(part, self.number, self.family)


def near_misses(
    anatomy: Anatomy, advisory: Advisory, family: str, background: Background | None = None
) -> tuple[NearMiss, ...]:
    """Make the near-misses of one family, each different from the others and from the exploit.

    Args:
        anatomy: the exploit.
        advisory: what it attacks.
        family: "feedback" or "judge".
        background: what parameters of these names hold in normal traffic; None: only what their names suggest.

    Raises:
        UsageError: no such family (code RF103).
    """
    if family not in FAMILIES:
        raise UsageError(f"unknown family {family!r}", hint="known: " + ", ".join(FAMILIES), code="RF103")
    makers = [_ordinary_values, _path_ordinary, _payload_elsewhere, _param_elsewhere, _normal_use]
    makers += [_bare_get, _sibling, _other_content] if family == "judge" else []
    original = anatomy.poc.request
    seen = {(original.method, original.target, original.headers, original.body)}
    found: list[NearMiss] = []
    learned = _learned_values(anatomy, advisory, family, background) if background else []
    for made in (*(maker(anatomy, advisory, family) for maker in makers), learned):
        for one in made:
            identity = (one.request.method, one.request.target, one.request.headers, one.request.body)
            if identity not in seen:
                seen.add(identity)
                number = len(found)
                found.append(msgspec.structs.replace(one, request=_named(one.request, one.kind, number)))
    return tuple(found)


def near_miss_exemption(anatomy: Anatomy) -> str:
    """Why no ordinary values can be put in place of the payload; empty where they can.

    Where this is not empty, near-misses of other kinds may still exist: parameters on other paths, plain page views.
    """
    if _carriers(anatomy, None) or path_payload(anatomy):
        if len(_carriers(anatomy, None)) > _most_parts(anatomy):
            return "too many values carry a payload"
        return "" if _neutral(anatomy, None, _Filling(0, "feedback")) else "the payload is the whole body"
    if not anatomy.parts:
        return "path only: nothing but the path tells the attack from a page view"
    if _magic(anatomy):
        return ""
    return "no value carries a payload: the attack is an ordinary call that should not be answered"


def neutralise(anatomy: Anatomy, advisory: Advisory) -> Request | None:
    """Put ordinary values of the same type in place of the payload and leave all else as it is.

    Returns:
        None where no place carries a payload, or one cannot be replaced.
    """
    if not (_carriers(anatomy, advisory) or path_payload(anatomy)):
        return None
    return _neutral(anatomy, advisory, _Filling(0, "feedback"))


# --- what to replace ------------------------------------------------------------------------------------------------


def _carriers(anatomy: Anatomy, advisory: Advisory | None) -> list[Part]:
    """The parts that carry the attack. What only looks like a URL or a file name counts where nothing is clearer."""
    expected = frozenset(expected_classes(advisory)) if advisory else WEAK_CLASSES
    strong = [part for part in anatomy.parts if _classes(part) - (WEAK_CLASSES - expected)]
    chosen = strong or [part for part in anatomy.parts if _classes(part) and not is_selector(part)]
    if not chosen:
        return []
    # A value beside a payload that no class knows but no user types may be the other half of the attack.
    return [
        part for part in anatomy.parts if part in chosen or (part.place != "body" and _ODD.search(part.value[:4_096]))
    ]


def _classes(part: Part) -> frozenset[str]:
    if is_namespace(part):
        return frozenset()
    return frozenset(part.classes + part.filename_classes + part.inner + name_classes(part))


def _magic(anatomy: Anatomy) -> list[Part]:
    """Without a payload: fixed credentials and roles, the only values whose change makes the call harmless."""
    if anatomy.has_payload:
        return []
    return [p for p in anatomy.parts if p.value and not p.standin and _MAGIC.fullmatch(last_step(p.name))]


def _free(part: Part) -> bool:
    """Whether a user would choose the value: no selector, no flag."""
    if is_selector(part) or part.place in ("body", "headers", "cookies") or len(part.value) > 2_000:
        return False
    return len(part.value) > 1 and part.value.lower() not in (b"true", b"false", b"null", b"on", b"off", b"yes", b"no")


def _neutral(
    anatomy: Anatomy, advisory: Advisory | None, filling: _Filling, *, all_free: bool = False
) -> Request | None:
    """Replace payloads everywhere, in the path too; None where one cannot be."""
    request = anatomy.poc.request
    if path_payload(anatomy):
        request = with_path(request, _cut(anatomy, filling.family)[0])
    carriers = _carriers(anatomy, advisory)
    if len(carriers) > _most_parts(anatomy):
        return None
    raw = [part for part in carriers if part.place == "body"]
    for part in [part for part in carriers if part.place != "body"]:
        changed = _replaced(request, part, filling)
        if changed is None and part.place != "xml":
            return None
        request = changed or request
    for part in raw:
        changed = _body(request, part, filling)
        if changed is None:
            return None
        request = changed
    return _with_free_values(request, anatomy, carriers, filling) if all_free else request


def _most_parts(anatomy: Anatomy) -> int:
    """How many parts are edited: every edit reads the request once."""
    request = anatomy.poc.request
    return 60 if len(request.target) + len(request.body or b"") < _LARGE else 4


def _with_free_values(request: Request, anatomy: Anatomy, done: list[Part], filling: _Filling) -> Request:
    for part in anatomy.parts[: _most_parts(anatomy)]:
        if part not in done and (part.standin or _free(part)):
            request = with_value(request, part, filling.value(part)) or request
    return request


def _replaced(request: Request, part: Part, filling: _Filling) -> Request | None:
    changed: Request | None = request
    if part.filename_classes:
        name = ordinary_file(filling.number, filling.family)
        changed, part = with_filename(request, part, name), msgspec.structs.replace(part, filename=name)
    elif part.filename is not None and part.classes:
        return with_value(request, part, b"Minutes of the meeting, Monday morning.\n")
    if changed is not None and (part.classes or (not part.filename_classes and not name_classes(part))):
        value = b64encode(filling.value(part)) if part.inner else filling.value(part)
        changed, part = with_value(changed, part, value), msgspec.structs.replace(part, value=value)
    if changed is not None and name_classes(part):
        changed = with_name(changed, part, _NAMES[filling.family][filling.number])
    return changed


def _body(request: Request, part: Part, filling: _Filling) -> Request | None:
    """A body that is read whole: XML loses its document type, other text becomes a form or a note."""
    body = plain_body(request)
    if body is None or not set(classes_of(body)) & set(part.classes):
        return request if body is not None else None  # what carried it is gone already
    text = body.lstrip()
    if text.startswith(b"<") and (root := _ROOT.search(_DOCTYPE.sub(b"", text))):
        plain = _ENTITY.sub(b"text", _DOCTYPE.sub(b"", body))
        if not set(classes_of(plain)) & set(part.classes):
            return with_body(request, plain)
        return with_body(request, b"<%s><name>%s</name></%s>" % (root[1], b"Maria Keller", root[1]))
    if re.search(rb"[^\t\r\n\x20-\x7e]", body[:2_000]):
        return None
    note = (b"name=Maria+Keller&note=see+you+on+Monday", b"name=J.+Miller&note=thanks", b"name=Anna&note=call+me+back")
    return with_body(request, note[filling.number])


def _cut(anatomy: Anatomy, family: str) -> tuple[bytes, ...]:
    """The path up to its payload, with an ordinary end."""
    segments = [segment.raw for segment in anatomy.segments]
    for index, segment in enumerate(anatomy.segments):
        start = b"/" + b"/".join(segments[: index + 1]) + b"/"
        if segment.classes or steps_up(start) or set(classes_of(start)) & set(anatomy.path_classes):
            segments = segments[:index]
            break
    else:
        segments = segments[:-1]
    folder = b"/" + b"".join(segment + b"/" for segment in segments)
    return tuple(folder + leaf for leaf in _LEAVES[family])


# --- kinds ----------------------------------------------------------------------------------------------------------


def _ordinary_values(anatomy: Anatomy, advisory: Advisory, family: str) -> list[NearMiss]:
    carries = bool(_carriers(anatomy, advisory))
    if path_payload(anatomy) or not (carries or _magic(anatomy)):
        return []
    found = []
    for all_free, why in ((False, "the payload is an ordinary value"), (True, "all free values are ordinary")):
        for number in range(FILLINGS) if carries or all_free else ():
            request = _neutral(anatomy, advisory, _Filling(number, family), all_free=all_free)
            found += [NearMiss(request, "ordinary_values", why)] if request is not None else []
    return found


def _learned_values(anatomy: Anatomy, advisory: Advisory, family: str, background: Background) -> list[NearMiss]:
    """In place of the payload, the shapes of value that parameters of its name have in normal traffic."""
    if path_payload(anatomy):
        return []
    carriers = [part for part in _carriers(anatomy, advisory) if part.place in _LEARNED_PLACES]
    plain = _neutral(anatomy, advisory, _Filling(0, family)) if 0 < len(carriers) <= _most_parts(anatomy) else None
    if plain is None:
        return []
    found = _own_pages(anatomy, advisory, plain, carriers)
    for part in carriers[:LEARNED_PARTS_MOST]:
        for shape in background.usual_shapes(last_step(part.name).encode()):
            if shape == "url" and "url_value" in part.classes and _leads_away(anatomy, advisory, part):
                continue  # a page of its own site would be ordinary there; another site is the attack
            value = shaped_value(shape, family)
            changed = with_value(plain, msgspec.structs.replace(part, value=_value_in(plain, part)), value)
            if changed is not None:
                why = f"parameters of this name hold such values ({shape}) in normal traffic"
                found.append(NearMiss(changed, "learned_value", why))
    return found


def _own_pages(anatomy: Anatomy, advisory: Advisory, plain: Request, carriers: list[Part]) -> list[NearMiss]:
    """Where the flaw is to lead to other sites: links to a page of the own one."""
    host = header_value(plain, b"host")
    if not host or not speaks_of_redirect(advisory):
        return []
    found = []
    for part in carriers[:LEARNED_PARTS_MOST]:
        if offsite_field(part, anatomy.poc.request):
            link = b"https://" + host + b"/account/home"
            changed = with_value(plain, msgspec.structs.replace(part, value=_value_in(plain, part)), link)
            why = "a page of the own site is where such links lead"
            found += [NearMiss(changed, "own_page", why)] if changed is not None else []
    return found


def _leads_away(anatomy: Anatomy, advisory: Advisory, part: Part) -> bool:
    return any(tell.part == part for tell in telling(anatomy, advisory))


def _value_in(request: Request, part: Part) -> bytes:
    """The value that stands in `request` where `part` stood in the exploit."""
    for element in HttpView(request).read(part.place).elements:
        if element.name == part.name:
            return element.value
    return part.value


def _normal_use(anatomy: Anatomy, advisory: Advisory, family: str) -> list[NearMiss]:
    """The call that the product's own pages make: as users who are signed in send it, and visitors where they may."""
    tells = telling(anatomy, advisory)
    if any(tell.part is None or _classes(tell.part) - WEAK_CLASSES for tell in tells):
        return []  # no ordinary call has such a path; ordinary values in place of a payload are made above
    ordinary = _without_tells(anatomy, tells, family)
    if ordinary is None:
        return []
    browser = with_header(with_header(ordinary, *_AGENT), *_ACCEPT)
    users = [with_header(browser, *session) for session in _SESSIONS[family]]
    found = [NearMiss(user, "signed_in", "users who are signed in make this call") for user in users]
    if tells or signed_in(anatomy) or not speaks_of_access(advisory) or public_page(anatomy):
        found.append(NearMiss(browser, "visitor", "the pages of the product make this call for every visitor"))
    return found


def _without_tells(anatomy: Anatomy, tells: tuple[Tell, ...], family: str) -> Request | None:
    request: Request | None = anatomy.poc.request
    for tell in tells:
        if tell.part is None or request is None:
            return None
        if tell.part.place == "headers":
            request = without_header(request, tell.part.name)
        else:
            request = _plainly(request, tell.part, _Filling(0, family))
    return request


def _plainly(request: Request, part: Part, filling: _Filling) -> Request | None:
    """Give `part` an ordinary value, and an ordinary name or file name where its own is not."""
    if odd_name(part):
        return with_name(request, part, _NAMES[filling.family][filling.number])
    return _replaced(request, part, filling)


def _path_ordinary(anatomy: Anatomy, advisory: Advisory, family: str) -> list[NearMiss]:
    neutral = _neutral(anatomy, advisory, _Filling(0, family)) if path_payload(anatomy) else None
    if neutral is None:
        return []
    paths = _cut(anatomy, family)
    return [NearMiss(with_path(neutral, path), "path_ordinary", "the payload is cut from the path") for path in paths]


def _payload_elsewhere(anatomy: Anatomy, advisory: Advisory, family: str) -> list[NearMiss]:
    carriers = _carriers(anatomy, advisory)
    if not carriers or path_payload(anatomy) or endpoint_free(anatomy, advisory):
        return []
    request = anatomy.poc.request
    why = "the program under attack is not at this path"
    return [NearMiss(with_path(request, path), "payload_elsewhere", why) for path in _ELSEWHERE[family]]


def _param_elsewhere(anatomy: Anatomy, advisory: Advisory, family: str) -> list[NearMiss]:
    named = [part for part in anatomy.parts if part.place not in ("headers", "cookies", "body")]
    if not named or any(len(part.name) > _LONG_NAME for part in named):
        return []
    found = []
    for number, path in enumerate(_ORDINARY_PATHS[family]):
        request = _neutral(anatomy, advisory, _Filling(number, family), all_free=True)
        if request is not None:
            moved = with_path(request, path)
            found.append(NearMiss(moved, "param_elsewhere", "ordinary values of another program's parameters"))
    return found


def _plain_endpoint(anatomy: Anatomy) -> bool:
    return not path_payload(anatomy) and target_of(anatomy.poc.request).path not in (b"", b"/", b"*")


def _page_view(anatomy: Anatomy, path: bytes, query: bytes | None) -> Request:
    host = header_value(anatomy.poc.request, b"host") or b"www.example.org"
    bare = Request(method=b"GET", target=path, headers=((b"Host", host), _AGENT, _ACCEPT), id=anatomy.poc.request.id)
    return with_query(bare, query)


def _bare_get(anatomy: Anatomy, advisory: Advisory, family: str) -> list[NearMiss]:
    del family
    request = anatomy.poc.request
    if not _plain_endpoint(anatomy) or endpoint_free(anatomy, advisory):
        return []
    cut = target_of(request)
    if not cut.query and not request.body:
        return []
    why = "a browser opens the page without arguments"
    return [NearMiss(_page_view(anatomy, cut.path, None), "bare_get", why)]


def _sibling(anatomy: Anatomy, advisory: Advisory, family: str) -> list[NearMiss]:
    cut = target_of(anatomy.poc.request)
    if not _plain_endpoint(anatomy) or len(anatomy.segments) < 2:
        return []
    folder, _, name = cut.path.rstrip(b"/").rpartition(b"/")
    ending = re.search(rb"\.[A-Za-z]{1,5}\Z", name)
    path = folder + b"/overview" + (ending[0] if ending else b"")
    request = _neutral(anatomy, advisory, _Filling(1, family), all_free=True)
    if request is None or path == cut.path:
        return []
    return [NearMiss(with_path(request, path), "sibling_file", "another file of the folder, with ordinary values")]


def _other_content(anatomy: Anatomy, advisory: Advisory, family: str) -> list[NearMiss]:
    if path_payload(anatomy) or not _carriers(anatomy, advisory):
        return []
    fillings = [_Filling(number, family, prose=True) for number in range(FILLINGS)]
    made = [_neutral(anatomy, advisory, filling) for filling in fillings]
    why = "text with apostrophes, signs and SQL words is no payload"
    return [NearMiss(request, "other_content", why) for request in made if request is not None]


def _named(request: Request, kind: str, number: int) -> Request:
    return msgspec.structs.replace(request, id=f"{request.id}~{kind}.{number}")
