"""What of a request an attack depends on: its endpoint, the server's root, the order of its arguments."""

import hashlib
import re

from ruleforge.cases.anatomy import Anatomy, Part, classes_of, expected_classes
from ruleforge.cases.edit import target_of
from ruleforge.events.decoding import percent_decode, percent_decode_stable
from ruleforge.records.advisory import Advisory

SHELLSHOCK = b"() {"
WEAK_CLASSES = frozenset(("upload_name", "url_value", "mass_assignment"))  # harmless values satisfy them as well
_CLASS_LOADER = re.compile(rb"class\W+(?:module\W+)?classLoader", re.IGNORECASE)  # bound by name in any handler
_STEPS_UP = re.compile(rb"(?:^|[/\\])\.{1,2}(?:[/\\;]|$)|\.\.[/\\;]|[\r\n\x00]")
_SELECTOR = re.compile(
    rb"action|do|op|method|func(?:tion)?|fn|task|option|view|controller|ctrl|c|m|a|act|mod(?:ule)?|page|page_?id|route|r"
    rb"|rest_route|type|mode|operation|service|tab|section|event|_method|__viewmodel|namespace|form_?id|cmd|command"
    rb"|q_action|ajax_?action|request_?type|step|layout|format|component|plugin|class|submit|api|v|version",
    re.IGNORECASE,
)
_ID = re.compile(
    rb"(?:\w{0,30}[_-])?(?:id|ids|uid|pid|cid|tid|aid|postid|post|item|itemid|num|no|page_?no|page_?num|page_?size|limit"
    rb"|offset|start|rows|count|per_?page|year|month|day|timestamp|ts|_)|[a-z]{1,20}Id",
)
_NO_ID = re.compile(
    rb"role|group|level|template|action|option|module|page_?id|form|type|class|lang|site", re.IGNORECASE
)
_JAVA_PATH = re.compile(rb"\.(?:do|action|jspx?|jsf|faces|htmx|seam)(?:$|/)|;jsessionid", re.IGNORECASE)
_JAVA_PRODUCT = re.compile(
    r"tomcat|jboss|weblogic|websphere|spring|jenkins|confluence|\bjira\b|struts|bitbucket|\bgeoserver|liferay|nexus"
    r"|solr|activemq|ofbiz|manageengine|openfire|teamcity",
    re.IGNORECASE,
)


def endpoint_free(anatomy: Anatomy, advisory: Advisory) -> bool:
    """Whether the attack works on (nearly) any path: sent to the root, or carried by what every request has.

    True for the path `/` or `*`, for JNDI look-ups and Shellshock anywhere, and when all payloads the advisory speaks
    of stand in headers or cookies.
    """
    if target_of(anatomy.poc.request).path in (b"", b"/", b"*"):
        return True
    if "jndi" in anatomy.path_classes or any("jndi" in part.classes for part in anatomy.parts):
        return True
    if any(SHELLSHOCK in part.value or _CLASS_LOADER.search(part.name) for part in anatomy.parts):
        return True
    if path_payload(anatomy):
        return False
    expected = set(expected_classes(advisory))
    telling = [part for part in anatomy.payloads if expected.intersection(part.classes + part.filename_classes)]
    carriers = telling or list(anatomy.payloads)
    return bool(carriers) and all(part.place in ("headers", "cookies") for part in carriers)


def needs_root(anatomy: Anatomy, advisory: Advisory) -> str:
    """Why the attack works on the server's root only, so that no prefix can stand before its path; empty if not so."""
    target = target_of(anatomy.poc.request)
    if target.authority or not target.path.startswith(b"/"):
        return "the target is not a path"
    if steps_up(target.path):
        return "the path itself steps out of its folder"
    first = anatomy.segments[0] if anatomy.segments else None
    if first is not None and set(first.classes) & {"traversal", "crlf_injection", "xss"}:
        return "the payload stands at the root"
    if target.path == b"/" and not _in_headers(anatomy, advisory):
        return "the attack is sent to the root itself"
    return ""


def _in_headers(anatomy: Anatomy, advisory: Advisory) -> bool:
    if not anatomy.payloads or not endpoint_free(anatomy, advisory):
        return False
    return all(part.place in ("headers", "cookies") for part in anatomy.payloads)


def steps_up(path: bytes) -> bool:
    """Whether a path as sent holds dot segments or bytes no path has, in any percent encoding."""
    return any(_STEPS_UP.search(form) for form in {path, percent_decode(path), percent_decode_stable(path)})


def path_payload(anatomy: Anatomy) -> bool:
    """Whether the path itself carries the payload."""
    return bool(anatomy.path_classes) or any(segment.classes for segment in anatomy.segments) or steps_up(_raw(anatomy))


def plain_path(anatomy: Anatomy) -> str:
    """Why the way the path is written matters; empty where the path is plain names."""
    target = target_of(anatomy.poc.request)
    if target.authority or not target.path.startswith(b"/"):
        return "the target is not a path"
    if path_payload(anatomy):
        return "the payload is in the path"
    if b"//" in target.path or b";" in target.path or b"\\" in percent_decode(target.path):
        return "the path is written in an unusual way"
    if not re.search(rb"[A-Za-z]{2}", target.path):
        return "the path has no names"
    return ""


def _raw(anatomy: Anatomy) -> bytes:
    return target_of(anatomy.poc.request).path


def is_selector(part: Part) -> bool:
    """Whether the part says which function is called (`action`, `task`, …) rather than on what."""
    name = part.name.rpartition(b"/")[2] if part.place == "json" else part.name
    return bool(_SELECTOR.fullmatch(name))


def is_plain_id(part: Part) -> bool:
    """Whether the value is a number that only names an object."""
    name = part.name.rpartition(b"/")[2] if part.place == "json" else part.name
    return bool(part.value.isdigit() and len(part.value) < 12 and _ID.fullmatch(name) and not _NO_ID.search(name))


def decisive_class(classes: tuple[str, ...], advisory: Advisory) -> str:
    """The class by which a value attacks: one the advisory speaks of, or its only one; empty where it is not clear."""
    expected = expected_classes(advisory)
    for name in classes:  # the most telling first
        if name in expected:
            return name
    return classes[0] if len(classes) == 1 and classes[0] not in WEAK_CLASSES else ""


def is_java(anatomy: Anatomy, advisory: Advisory) -> bool:
    """Whether a servlet container answers: it cuts `;name=value` from path segments."""
    if _JAVA_PATH.search(_raw(anatomy)):
        return True
    named = " ".join([*advisory.tags, *(product.product for product in advisory.products)])
    return bool(_JAVA_PRODUCT.search(named))


def is_namespace(part: Part) -> bool:
    """Whether the part is the name of an XML vocabulary: a URL that nobody opens."""
    return (part.place == "xml" and b"/@xmlns" in part.name) or part.name.endswith(b":schemaLocation")


def name_classes(part: Part) -> tuple[str, ...]:
    """The payload classes of a part's name; a name that is only a file or an address says nothing."""
    if part.place in ("headers", "xml") or len(part.name) < 4:
        return ()
    return tuple(name for name in classes_of(part.name) if name not in WEAK_CLASSES)


def dice(anatomy: Anatomy) -> bytes:
    """32 bytes that depend on the request alone, to choose by."""
    request = anatomy.poc.request
    return hashlib.sha256(request.method + b"\0" + request.target + b"\0" + (request.body or b"")).digest()
