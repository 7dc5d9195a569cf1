"""Which payload classes an advisory speaks of: by its weaknesses and tags, else by the words of its title and text."""

import re
from functools import lru_cache

from ruleforge.records.advisory import Advisory

RUNS_CODE = ("command_injection", "code_injection", "template_injection")
# Class or classes → the weaknesses whose attacks look so. A weakness that only names a consequence (CWE-200, CWE-287)
# or a fault of design says nothing of a payload and is left out on purpose: what the request carries decides there.
_WEAKNESSES: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...] = (
    (("traversal",), (*range(22, 41), 59, 73, 552, 706)),
    (("traversal", "url_value"), (98, 829)),
    (("url_value", "traversal"), (610,)),
    (("url_value", "url_trick"), (601,)),
    (("url_value", "internal_address", "url_trick"), (441, 918)),
    (("sql_injection",), (89, 564)),
    (("xss",), (79, 80, 81, 83, 84, 85, 86, 87, 116)),
    (("xss", "sql_injection"), (75, 707)),
    (("command_injection",), (77, 88)),
    (("shellshock", "command_injection"), (78,)),
    (("code_injection", "template_injection", "command_injection"), (94,)),
    (("code_injection", "template_injection"), (95, 913)),
    (("code_injection",), (96,)),
    (("code_injection", "serialized_object"), (470,)),
    (("template_injection",), (97, 1336)),
    (("template_injection", "jndi"), (917,)),
    (("sql_injection", *RUNS_CODE, "xss", "crlf_injection"), (74,)),
    (("xxe",), (611, 776, 827)),
    (("xxe", "xpath_injection"), (91,)),
    (("xpath_injection",), (643, 652)),
    (("ldap_injection",), (90,)),
    (("nosql_injection",), (943,)),
    (("serialized_object",), (502,)),
    (("upload_name", "code_injection"), (434,)),
    (("upload_name",), (646,)),
    (("crlf_injection",), (93, 113, 444)),
    (("prototype_pollution",), (1321,)),
    (("mass_assignment", "prototype_pollution"), (915,)),
    (("jwt_none",), (345, 347)),
    (("path_bypass",), (44, 178, 288, 425)),
)
CWE_CLASSES: dict[str, tuple[str, ...]] = {
    f"CWE-{number}": classes for classes, numbers in _WEAKNESSES for number in numbers
}
TAG_CLASSES: dict[str, tuple[str, ...]] = {
    "lfi": ("traversal",), "traversal": ("traversal",), "lfr": ("traversal",), "sqli": ("sql_injection",),
    "xss": ("xss",), "rce": RUNS_CODE, "cmdi": ("command_injection",), "shellshock": ("shellshock",),
    "ssrf": ("url_value", "internal_address", "url_trick"), "redirect": ("url_value", "url_trick"),
    "rfi": ("url_value",), "open-redirect": ("url_value", "url_trick"),
    "xxe": ("xxe",), "deserialization": ("serialized_object",), "fileupload": ("upload_name", "code_injection"),
    "file-upload": ("upload_name",), "ssti": ("template_injection",), "jndi": ("jndi",), "log4j": ("jndi",),
    "crlf": ("crlf_injection",), "ognl": ("template_injection",),
    "injection": ("command_injection", "template_injection"), "intrusive": (), "nosqli": ("nosql_injection",),
    "ldap": ("ldap_injection",), "xpath": ("xpath_injection",), "prototype-pollution": ("prototype_pollution",),
    "jwt": ("jwt_none",), "auth-bypass": ("path_bypass",),
}  # fmt: skip
# Asked only where neither a weakness nor a tag says anything.
_WORDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"sql injection|\bsqli\b", ("sql_injection",)),
    (r"cross[- ]site scripting|\bxss\b|html injection", ("xss",)),
    (r"(?:path|directory) traversal|\blfi\b|local file (?:inclusion|disclosure|read)", ("traversal",)),
    (r"arbitrary file (?:read|download|disclosure)", ("traversal",)),
    (r"remote file inclusion|\brfi\b", ("url_value", "traversal")),
    (r"command (?:injection|execution)", ("command_injection", "code_injection")),
    (r"(?:template|expression language|\bel|ognl|spel) injection|\bssti\b", ("template_injection",)),
    (r"code (?:injection|execution|evaluation)|\brce\b", RUNS_CODE),
    (r"server[- ]side request forgery|\bssrf\b|open redirect", ("url_value",)),
    (r"xml external entit|\bxxe\b", ("xxe",)),
    (r"deseriali[sz]", ("serialized_object",)),
    (r"crlf|(?:response|request) splitting|header injection", ("crlf_injection",)),
    (r"(?:arbitrary|unrestricted) file upload", ("upload_name", "code_injection")),
    (r"ldap injection", ("ldap_injection",)),
    (r"nosql injection", ("nosql_injection",)),
    (r"xpath injection", ("xpath_injection",)),
    (r"prototype pollution", ("prototype_pollution",)),
)
WORD_CLASSES = tuple((re.compile(pattern, re.IGNORECASE), classes) for pattern, classes in _WORDS)
_TEXT_MOST = 4_096  # characters of title and description


def expected_classes(advisory: Advisory) -> tuple[str, ...]:
    """Return the payload classes that the advisory speaks of, most telling source first."""
    found: list[str] = []
    for cwe in advisory.cwes:
        found += CWE_CLASSES.get(cwe.upper(), ())
    for tag in advisory.tags:
        found += TAG_CLASSES.get(tag.lower(), ())
    return tuple(dict.fromkeys(found)) or classes_in_words(f"{advisory.title}\n{advisory.description}"[:_TEXT_MOST])


@lru_cache(maxsize=20_000)
def classes_in_words(text: str) -> tuple[str, ...]:
    """Return the classes that a short text names."""
    named = [name for pattern, classes in WORD_CLASSES if pattern.search(text) for name in classes]
    return tuple(dict.fromkeys(named))
