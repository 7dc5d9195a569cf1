"""The payloads that stand in requests made from facts: several of a class, so that a rule learns the class."""

import re

from ruleforge.cases.payloads import payload_lists
from ruleforge.rules.classes import classes_of

FAMILY = "feedback"  # never the judge's
EACH = 3  # payloads of one place

# Class → (context of the table, what stands before the text, which of its texts).
_CHOSEN: dict[str, tuple[tuple[str, str, int], ...]] = {
    "xss": (("tag", "", 2), ("tag", "\">", 0), ("tag", "", 1)),
    "sql_injection": (("string", "1'", 1), ("expression", "", 0), ("number", "1", 0)),
    "traversal": (("relative", "", 0), ("relative", "", 2), ("absolute", "", 0)),
    "command_injection": (("separator", "1", 0), ("substitution", "", 0), ("separator", "q", 3)),
    "code_injection": (("php_call", "", 0), ("php_tag", "", 2), ("jsp", "", 0)),
    "template_injection": (("braces", "", 0), ("dollar", "", 1), ("braces", "", 1)),
    "jndi": (("lookup", "", 0), ("lookup", "", 2)),
    "shellshock": (("shellshock", "() { :; }; ", 0), ("shellshock", "() { q;}; ", 1)),
    "crlf_injection": (("line", "q\r\n", 0), ("line", "/\r\n", 1)),
    "ldap_injection": (("ldap", "", 0), ("ldap", "", 1)),
    "nosql_injection": (("javascript", "q'", 0), ("javascript", "q'", 2)),
    "url_value": (("absolute", "", 0), ("absolute", "", 3), ("relative", "", 0)),
}  # fmt: skip
_PHP = (("php", "", 0), ("php", "", 1))
_JAVA = (("java_base64", "", 0), ("java_base64", "", 1))


def payloads_of(name: str, *, about: str = "") -> tuple[bytes, ...]:
    """Return payloads of a class that its definition recognises; () where the table has none that stands in a value.

    Args:
        name: a payload class.
        about: words of the document, which decide between languages.
    """
    if name == "serialized_object":
        chosen = _PHP if re.search(r"php|unserialize|wordpress|joomla|drupal", about, re.IGNORECASE) else _JAVA
    else:
        chosen = _CHOSEN.get(name, ())  # type: ignore[assignment]
    table = payload_lists()[FAMILY].get("command_injection" if name == "shellshock" else name, {})
    texts = [
        head.encode() + table[context][number]
        for context, head, number in chosen
        if number < len(table.get(context, ()))
    ]
    if name == "internal_address":
        texts = [b"http://169.254.169.254/latest/meta-data/", b"http://127.0.0.1:8080/", b"http://localhost/q"]
    if name == "xpath_injection":
        texts = [b"'] | //user/*[contains(*,'q", b"' or count(//user)>0 or 'q'='r"]
    return tuple(dict.fromkeys(text for text in texts if name in classes_of(text)))[:EACH]


def xml_with_entity() -> tuple[bytes, ...]:
    """Return XML documents that fetch an external entity."""
    systems = payload_lists()[FAMILY]["xxe"]["system"]
    return tuple(
        b'<?xml version="1.0"?><!DOCTYPE q [<!ENTITY q SYSTEM "' + system + b'">]><q>&q;</q>'
        for system in (systems[0], systems[2])
    )


def upload_names(about: str) -> tuple[bytes, ...]:
    """Return names of files that a server of the document's kind would run."""
    kind = "jsp" if re.search(r"\bjava\b|jsp|tomcat|servlet", about, re.IGNORECASE) else "php"
    kind = "asp" if re.search(r"asp|\.net\b|\biis\b", about, re.IGNORECASE) else kind
    endings = payload_lists()[FAMILY]["upload_name"][kind]
    first = {"php": b"php", "jsp": b"jsp", "asp": b"aspx"}[kind]
    return (b"rfqupload." + first, b"rfqupload." + endings[0])
