"""Metasploit modules: their HTTP client, options, metadata and MIME messages."""

from ruleforge.sources.nuclei.text import Text
from ruleforge.sources.poc_code.interpret import Interpreter, pairs_of
from ruleforge.sources.poc_code.python_clients import answer
from ruleforge.sources.poc_code.python_texts import Function, Method
from ruleforge.sources.poc_code.texts import base64_encoded, form_encoded, joined, replaced
from ruleforge.sources.poc_code.values import Arguments, Map, Thing, Unknown, Value, text
from ruleforge.sources.poc_code.wire import BOUNDARY, FORM, Draft, Part, as_path, multipart

# Options that hold addresses of the attacker, or what only the user knows.
_NO_DEFAULT = ("RHOST", "RHOSTS", "RPORT", "VHOST", "LHOST", "LPORT", "SRVHOST", "SRVPORT", "USERNAME", "PASSWORD")
_OPTION_KINDS = (
    "String", "Port", "Int", "Bool", "Enum", "Path", "Raw", "Address", "Regexp", "AddressRange", "Float",
)  # fmt: skip
_RANDOM = (
    "rand_text_alpha",
    "rand_text_alphanumeric",
    "rand_text_alpha_lower",
    "rand_text_alpha_upper",
    "rand_text",
    "rand_text_english",
    "rand_text_hex",
    "rand_text_highascii",
    "rand_hostname",
    "rand_name",
    "rand_guid",
)


def _options(reader: Interpreter, arguments: Arguments) -> Value:
    """`register_options([OptString.new(…), …])`: the defaults."""
    items = reader.object("datastore").fields.setdefault("items", Map())
    given = arguments.get(0)
    for each in given if isinstance(given, list) else ():
        if isinstance(each, Thing) and each.kind == "option" and isinstance(items, Map):
            reader.put(items, each.fields.get("name"), each.fields.get("default"))
    return None


def _option(reader: Interpreter, arguments: Arguments) -> Value:
    """`OptString.new('NAME', [required, description, default])`, or with `default:`."""
    done, given = Thing("option"), arguments.get(1)
    name = reader.text(arguments.get(0))
    default = given[2] if isinstance(given, list) and len(given) > 2 else None
    named = arguments.values[-1] if arguments.values else None
    if isinstance(named, Map) and named.has("default"):
        default = named.get("default")
    shown = name.data[:60].decode("latin-1")
    unusable = default is None or shown.upper() in _NO_DEFAULT or isinstance(default, bool)
    done.fields |= {"name": name, "default": Unknown(shown) if unusable else default}
    return done


def _datastore(reader: Interpreter, arguments: Arguments) -> Value:
    done = reader.object("datastore")
    done.fields.setdefault("items", Map())
    return done


def _default_uri(reader: Interpreter) -> Value:
    items = reader.object("datastore").fields.get("items")
    for name in ("TARGETURI", "URI", "PATH"):
        if isinstance(items, Map) and items.has(name):
            return items.get(name)
    return text("/")


def _target_uri(reader: Interpreter, arguments: Arguments) -> Value:
    done = Thing("uri")
    done.fields |= {"path": _default_uri(reader), "query": text(""), "host": Unknown("host"), "port": Unknown("port")}
    return done


def _normalized(reader: Interpreter, arguments: Arguments) -> Value:
    """`normalize_uri(a, b, …)`: joined by slashes, several of which are one."""
    parts: list[Text] = []
    for each in arguments.values:
        parts += [Text(b"/"), reader.text(each)]
    done = joined(parts)
    while b"//" in done.data and b"://" not in done.data:
        shorter = replaced(done, b"//", Text(b"/"))
        if len(shorter.data) == len(done.data):
            break
        done = shorter
    return done


def _information(reader: Interpreter, arguments: Arguments) -> Value:
    """`update_info(info, 'Name' => …)`: what the module says of itself."""
    given = arguments.values[-1] if arguments.values else None
    if isinstance(given, Map):
        reader.object("metadata").fields.setdefault("items", given)
    return given


def _send_cgi(reader: Interpreter, arguments: Arguments) -> Value:
    given = arguments.get(0)
    options = given if isinstance(given, Map) else Map()
    uri = options.get("uri") if options.has("uri") else _default_uri(reader)
    method = options.get("method")
    body, kind = _cgi_body(reader, options)
    query = options.get("query")
    headers = pairs_of(reader, options.get("headers"))
    for name, option in (("Content-Type", "ctype"), ("Cookie", "cookie"), ("User-Agent", "agent")):
        if options.has(option) and options.get(option) is not None:
            headers.append((text(name), _shown_cookie(reader, options.get(option))))
    if options.has("authorization"):
        headers.append((text("Authorization"), reader.text(options.get("authorization"))))
    elif options.has("username") and options.has("password"):
        both = joined([reader.text(options.get("username")), Text(b":"), reader.text(options.get("password"))])
        headers.append((text("Authorization"), joined([Text(b"Basic "), base64_encoded(both)])))
    reader.send(
        Draft(
            method=reader.text(method) if isinstance(method, Text) else text("GET"),
            url=as_path(reader.text(uri)),
            params=tuple(pairs_of(reader, options.get("vars_get"))),
            query=reader.text(query) if isinstance(query, Text) else None,
            headers=tuple(headers),
            body=body,
            kind=kind,
            line=arguments.line,
        )
    )
    return answer()


def _shown_cookie(reader: Interpreter, value: Value) -> Text:
    if not isinstance(value, Map):
        return reader.text(value)
    parts: list[Text] = []
    for name, each in pairs_of(reader, value):
        parts += [Text(b"; "), name, Text(b"="), each]
    return joined(parts[1:])


def _cgi_body(reader: Interpreter, options: Map) -> tuple[Text | None, bytes]:
    form = options.get("vars_form_data")
    if isinstance(form, list):
        return multipart([_form_part(reader, each) for each in form if isinstance(each, Map)]), b"multipart/form-data"
    if options.get("vars_post") is not None:
        return form_encoded(pairs_of(reader, options.get("vars_post"))), FORM
    data = options.get("data")
    return (None, b"") if data is None else (reader.text(data), FORM)


def _form_part(reader: Interpreter, given: Map) -> Part:
    filename, kind = given.get("filename"), given.get("mime_type") or given.get("content_type")
    return Part(
        reader.text(given.get("name")),
        reader.text(given.get("data")),
        None if filename is None else reader.text(filename),
        None if kind is None else reader.text(kind),
    )


def _random(reader: Interpreter, arguments: Arguments) -> Value:
    length = arguments.get(0)
    return reader.standins.letters(length if isinstance(length, int) and 6 <= length <= 64 else 8)


def _random_digits(reader: Interpreter, arguments: Arguments) -> Value:
    return reader.standins.digits()


def _mime(reader: Interpreter, arguments: Arguments) -> Value:
    done = Thing("mime")
    done.fields |= {"bound": BOUNDARY, "parts": []}
    return done


def _add_part(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    """`add_part(content, type, encoding, disposition)`."""
    parts = receiver.fields.get("parts") if isinstance(receiver, Thing) else None
    if isinstance(parts, list) and len(parts) < 200:
        parts.append([arguments.get(position) for position in range(4)])
    return None


def _add_form_part(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    """`add_part_form_data(name, value)`."""
    disposition = joined([Text(b'form-data; name="'), reader.text(arguments.get(0)), Text(b'"')])
    return _add_part(reader, receiver, Arguments((arguments.get(1), None, None, disposition)))


def _mime_text(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    parts = receiver.fields.get("parts") if isinstance(receiver, Thing) else None
    texts: list[Text] = []
    for part in parts if isinstance(parts, list) else ():
        content, kind, encoding, disposition = part if isinstance(part, list) else [part, None, None, None]
        texts += [Text(b"--"), BOUNDARY, Text(b"\r\n")]
        heads = (
            (disposition, b"Content-Disposition: "),
            (kind, b"Content-Type: "),
            (encoding, b"Content-Transfer-Encoding: "),
        )
        for value, name in heads:
            if value is not None:
                texts += [Text(name), reader.text(value), Text(b"\r\n")]
        texts += [Text(b"\r\n"), reader.text(content), Text(b"\r\n")]
    return joined([*texts, Text(b"--"), BOUNDARY, Text(b"--\r\n")])


def basic_auth(reader: Interpreter, arguments: Arguments) -> Value:
    """`basic_auth(user, password)`: the value of the header."""
    both = joined([reader.text(arguments.get(0)), Text(b":"), reader.text(arguments.get(1))])
    return joined([Text(b"Basic "), base64_encoded(both)])


def _connect(reader: Interpreter, arguments: Arguments) -> Value:
    return reader.object("socket")


METASPLOIT_FUNCTIONS: dict[str, Function] = {
    **{prefix + name: _random for prefix in ("", "Rex.Text.") for name in _RANDOM},
    **dict.fromkeys(("rand_text_numeric", "Rex.Text.rand_text_numeric", "rand", "Random.rand"), _random_digits),
    **{f"{prefix}Opt{kind}.new": _option for prefix in ("", "Msf.") for kind in _OPTION_KINDS},
    **dict.fromkeys(("register_options", "register_advanced_options"), _options),
    **dict.fromkeys(("update_info", "merge_info", "super"), _information),
    **dict.fromkeys(("send_request_cgi", "send_request_cgi!", "send_request_raw"), _send_cgi),
    "datastore": _datastore, "target_uri": _target_uri, "normalize_uri": _normalized, "basic_auth": basic_auth,
    "Rex.MIME.Message.new": _mime, "connect": _connect, "sock": _connect, "rhost": lambda _, __: Unknown("rhost"),
    "rport": lambda _, __: Unknown("rport"), "peer": lambda _, __: Unknown("peer"), "ssl": lambda _, __: False,
    "payload": lambda _, __: Thing("payload"),
}  # fmt: skip
METASPLOIT_METHODS: dict[str, Method] = {
    "mime.add_part": _add_part, "mime.add_part_form_data": _add_form_part, "mime.to_s": _mime_text,
    "payload.encoded": lambda _, __, ___: Unknown("payload"), "payload.raw": lambda _, __, ___: Unknown("payload"),
}  # fmt: skip
