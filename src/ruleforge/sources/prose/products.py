"""What is vulnerable, and in which releases, in the words of a document."""

import re

from ruleforge.sources.prose.talk import Mention

HEAD = 12_000  # characters that are read for it

_FIELD = re.compile(
    r"^[ \t#*>-]{0,6}(?:affected )?(?:product|software|application|vendor product)(?: name)"
    r"?[*]{0,2}[ \t]*:[*]{0,2}[ \t]*(?P<value>[^\n]{2,120})$",
                    re.IGNORECASE | re.MULTILINE)  # fmt: skip
_WORDPRESS = re.compile(
    r"(?:^|[.!\n] ?|\b)(?:The )(?P<value>[A-Z0-9][^\n.;]{1,100}?) (?:WordPress (?:plugin|"
    r"theme)|(?:plugin|theme)s?(?: [\w.<>= ]{0,30})? for WordPress)"
)
_JOOMLA = re.compile(r"(?:vulnerability in the |^)(?P<value>[A-Z0-9][\w! .&-]{1,60}?) \(com_[\w-]{2,50}\) component")
_IN = re.compile(
    r"\b(?:vulnerabilit(?:y|ies) (?:exists? |was found |has been found |were found )?in|"
    r"was found in|discovered in|issue in|flaw in|\) in) (?:the )?"
    r"(?P<value>[A-Z][\w.+!-]{1,40}(?: [A-Z0-9][\w.+!-]{0,40}){0,4}?)(?= (?:v?\d|before|"
    r"prior|up to|through|<|allows?|could|that|and earlier|versions?|via|when|which|component|"
    r"plugin|software)\b|[.,(])"
)
_SUBJECT = re.compile(
    r"(?:^|\n\n?|[.] )(?:In |On |All )?(?P<value>[A-Z][\w.+!/-]{1,40}(?: [A-Z0-9(][\w.+!)"
    r"-]{0,40}){0,4}?) (?:(?:versions? )?(?:v|V)?\d[\w.]{0,20}|before|prior to|versions?|"
    r"through|up to|is vulnerable|was discovered|has|contains|allows)\b"
)
_VERSION = r"v?\d{1,4}(?:[._]\d{1,6}){0,4}(?:[-_.]?[A-Za-z]{1,8}\d{0,4})?"
_VERSIONS = re.compile(
    rf"(?:(?:[Vv]ersions? )?(?:from |between )?{_VERSION} (?:through|to|until|and|-) (?:before |version )?{_VERSION}"
    rf"|(?:[Bb]efore|[Pp]rior to|through|up to(?: and including)?|below|until|[Ff]ixed in|earlier "
    rf"than|(?:up to, and including,)) (?:the )?(?:versions? )?{_VERSION}"
    rf"|(?:<=?|≤) ?{_VERSION}"
    rf"|(?:versions? )?{_VERSION}(?:\.x)? and (?:earlier|below|prior|older)"
    rf"|[Vv]ersions? {_VERSION}(?:,? (?:and )?{_VERSION}){{0,6}}"
    rf"|(?<=[a-z] ){_VERSION}(?= (?:allows|has|is|was|contains|suffers|and \d)))"
)
_NO_PRODUCT = re.compile(
    r"(?:Versions?\b|An? |The |This |It |In |Multiple |Cross|SQL|Directory|PHP|Remote|Open|Vulnerab|"
    r"Description|CVE|n/a$|Reference)",
    re.IGNORECASE,
)


def product_mentions(text: str) -> list[Mention]:
    """Find what is vulnerable and its versions, the most reliable source first."""
    head = text[:HEAD]
    found: list[Mention] = []
    for pattern, confidence in (
        (_FIELD, "certain"),
        (_WORDPRESS, "likely"),
        (_JOOMLA, "likely"),
        (_IN, "likely"),
        (_SUBJECT, "possible"),
    ):
        for match in pattern.finditer(head):
            value = match["value"].rstrip(" ,.")
            if len(value) > 1 and not _NO_PRODUCT.match(value) and len(found) < 6:
                start = match.start("value")
                found.append(Mention("product", value, start, start + len(value), confidence))
        if found:
            break
    versions = [Mention("versions", match[0], match.start(), match.end()) for match in _VERSIONS.finditer(head)]
    return [*found[:4], *versions[:6]]
