"""Which language a script is written in."""

import re

HEAD = 64_000  # characters that are looked at
LEAST = 2  # points a language needs

_SHEBANG = re.compile(r"#![ \t]*\S*?(?:env[ \t]+(?:-\S+[ \t]+)?|/)(python|ruby|php|perl|node|bash|sh|zsh)\b")
_NAMES = {"node": "javascript", "sh": "bash", "zsh": "bash"}
_CUES: dict[str, tuple[tuple[str, int], ...]] = {
    "python": (
        (r"^[ \t]*import[ \t]+[\w., \t]+(?:#.*)?$", 2), (r"^[ \t]*from[ \t]+[\w.]+[ \t]+import[ \t]", 3),
        (r"^[ \t]*def[ \t]+\w+\([^\n]*\)[^\n]*:", 2),
        (r"^[ \t]*(?:if|elif|else|for|while|try|except)\b[^\n;{]*:[ \t]*$", 1),
        (r"\bsys\.argv\b|\brequests\.(?:get|post)\(|\burllib2?\.|__name__", 2), (r"^[ \t]*print[ (]", 1),
    ),
    "ruby": (
        (r"^[ \t]*require[ \t]+['\"]", 2), (r"Msf::|MetasploitModule", 4),
        (r"^[ \t]*def[ \t]+\w+[?!]?(?:\([^\n]*\))?[ \t]*$", 2),
        (r"^[ \t]*end[ \t]*$", 1), (r"\bsend_request_(?:cgi|raw)\b|Net::HTTP|\bputs[ \t]", 2), (r"\bdo[ \t]*\|\w+", 1),
    ),
    "php": (
        (r"<\?php", 3), (r"\bcurl_(?:init|setopt)\b|fsockopen|file_get_contents", 2),
        (r"^[ \t]*\$\w+[ \t]*=[^\n]*;", 1),
    ),
    "perl": (
        (r"^[ \t]*use[ \t]+(?:strict|warnings|LWP|IO::Socket|HTTP::\w+|Getopt)\b", 3), (r"^[ \t]*my[ \t]+[$@%(]", 2),
        (r"\$ARGV\[|<STDIN>|\bIO::Socket|LWP::", 2),
    ),
    "javascript": (
        (r"\bXMLHttpRequest\b|\bfetch\([ \t]*['\"`]|\baxios\b|\$\.ajax", 2),
        (r"^[ \t]*(?:const|let|var)[ \t]+\w+[ \t]*=", 1),
        (r"\brequire\(['\"][\w/-]+['\"]\)", 2), (r"\bfunction\b[^\n]*\{|=>[ \t]*\{", 1),
    ),
    "go": ((r"^package[ \t]+main\b", 4), (r"^func[ \t]+\w+\(", 1), (r"\bhttp\.(?:NewRequest|Get|Post)\(", 2)),
    "bash": (
        (r"^[ \t]*(?:fi|done|esac)[ \t]*$", 1), (r"^[ \t]*(?:if[ \t]+\[|for[ \t]+\w+[ \t]+in\b)", 1),
        (r"^[ \t]*curl[ \t]", 1),
    ),
    "java": (
        (r"^[ \t]*import[ \t]+java[\w.]*;", 3), (r"\bpublic[ \t]+(?:static[ \t]+|final[ \t]+)?(?:class|void)\b", 2),
    ),
    "c": ((r"^[ \t]*#include[ \t]*[<\"]", 4), (r"^(?:int|void)[ \t]+main[ \t]*\(", 2)),
}  # fmt: skip
_PATTERNS = {
    name: tuple((re.compile(pattern, re.MULTILINE), points) for pattern, points in cues) for name, cues in _CUES.items()
}


def language_of(text: str) -> str | None:
    """Name the language of `text` from its shebang and the look of its lines; None when it is prose or unknown."""
    head = _short_lines(text[:HEAD])
    found = _SHEBANG.search(head[:2_000])
    if found is not None:
        return _NAMES.get(found[1], found[1])
    points = {
        name: sum(value for pattern, value in patterns if pattern.search(head)) for name, patterns in _PATTERNS.items()
    }
    best = max(points, key=lambda name: points[name])
    return best if points[best] >= LEAST else None


def _short_lines(text: str) -> str:
    """Lines cut to a length at which no pattern is slow."""
    return "\n".join(line[:400] for line in text.splitlines())
