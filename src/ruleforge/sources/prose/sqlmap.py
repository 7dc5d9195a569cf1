"""What the injection tool sqlmap prints and how it is called: parameters, payloads and where they go."""

import re
from collections.abc import Sequence

import msgspec

from ruleforge.sources.prose.drafts import Draft
from ruleforge.sources.prose.shell_words import split_command

MAX_PAYLOADS = 12

_PARAMETER = re.compile(
    r"[ \t#*|>-]{0,12}Parameter:[ \t]*(\S{1,100})[ \t]*\((?:custom )?(GET|POST|URI|HEADER|COOKIE|Cookie)[^)]{0,20}\)"
)
_PAYLOAD = re.compile(r"[ \t#*|>-]{0,12}Payload:[ \t]*(\S.{0,8000})$")
_COMMAND = re.compile(r"\bsqlmap(?:\.py)?(?=[ \t]+-)")
FORM = ("Content-Type", "application/x-www-form-urlencoded")


class Injection(msgspec.Struct, frozen=True):
    """One payload, and the place that it goes to."""

    parameter: str
    place: str  # "GET" | "POST" | "URI" | …
    payload: str
    line: int


def read_injections(lines: Sequence[tuple[int, str]]) -> list[Injection]:
    """The payloads of `Parameter: id (GET)` blocks."""
    found: list[Injection] = []
    parameter = place = ""
    for number, line in lines:
        if (head := _PARAMETER.match(line[:400])) is not None:
            parameter, place = head[1], head[2].upper()
        elif parameter and (payload := _PAYLOAD.match(line[:9000])) is not None and len(found) < MAX_PAYLOADS:
            found.append(Injection(parameter, place, payload[1].strip(), number))
    return found


def read_commands(text: str, first_line: int) -> list[Draft]:
    """The requests of `sqlmap -u URL --data … -p name`, the injected parameter filled by a placeholder."""
    drafts = []
    for found in list(_COMMAND.finditer(text))[:20]:
        command = split_command(text, found.end())
        values: dict[str, str] = {}
        for word, following in zip(command.words, [*command.words[1:], ""], strict=True):
            name, mark, value = word.partition("=")
            if name in ("-u", "--url", "--data", "-p", "--cookie"):
                values.setdefault(name.lstrip("-")[0] if name != "--data" else "d", value if mark else following)
        if "u" in values:
            line = first_line + text.count("\n", 0, found.start())
            drafts.append(_draft(values, line))
    return drafts


def _draft(values: dict[str, str], line: int) -> Draft:
    names = [name for name in re.split(r"[ ,]+", values.get("p", "")) if name][:5]
    url, data = _injected(values["u"], names), _injected(values.get("d", ""), names)
    headers = (FORM,) if data else ()
    return Draft(
        method="POST" if data else "GET",
        url=url,
        headers=headers,
        body=data or None,
        line=line,
        host_first=True,
        complete=False,
    )


def _injected(text: str, names: Sequence[str]) -> str:
    """Put a placeholder for the payload after the value of each of `names`, or where a star marks it."""
    if "*" in text:
        return text.replace("*", "[SQL]", 1)
    for name in names:
        text = re.sub(rf"((?:^|[?&]){re.escape(name)}=)[^&]{{0,400}}", r"\1[SQL]", text, count=1)
    return text


def place_injection(injection: Injection, known: Sequence[Draft]) -> Draft | str:
    """Put a payload into the request that the document shows for its parameter, or say that it shows none."""
    name = injection.parameter
    fitting = [draft for draft in known if f"{name}=" in draft.url or f"{name}=" in (draft.body or "")]
    base = next(iter(fitting or known), None)
    if base is None or injection.place not in ("GET", "POST"):
        return f"line {injection.line}: a payload whose request is not shown was left out"
    if injection.place == "GET":
        url = base.url.partition("?")[0] + "?" + injection.payload
        return msgspec.structs.replace(base, url=url, line=injection.line)
    headers = tuple(h for h in base.headers if h[0].lower() not in ("content-type", "content-length"))
    return msgspec.structs.replace(
        base, method="POST", body=injection.payload, headers=(*headers, FORM), line=injection.line
    )
