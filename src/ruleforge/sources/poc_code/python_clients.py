"""The HTTP clients of Python: requests, urllib, http.client, httpx, aiohttp, sockets; and option parsers."""

from functools import partial

from ruleforge.sources.nuclei.text import Text
from ruleforge.sources.poc_code import python_texts
from ruleforge.sources.poc_code.interpret import Interpreter, Library, pairs_of
from ruleforge.sources.poc_code.texts import base64_encoded, form_encoded, joined, json_written
from ruleforge.sources.poc_code.values import Arguments, Map, Symbol, Thing, Unknown, Value, text
from ruleforge.sources.poc_code.wire import FORM, Draft, Pair, Part, as_path, multipart

_MODULES = ("requests", "httpx", "grequests")
_VERBS = ("get", "post", "put", "patch", "delete", "head", "options")


def answer() -> Thing:
    """What a client gives back: gaps that later requests may build on."""
    done = Thing("response")
    done.fields |= {
        name: Unknown(f"{name}()") for name in ("text", "content", "cookies", "headers", "url", "body", "get_cookies")
    }
    done.fields |= {"status_code": 200, "code": 200, "status": 200}
    return done


def _send(reader: Interpreter, method: Value, arguments: Arguments, session: Thing | None = None, at: int = 0) -> Value:
    """`requests.request(method, url, …)`; `at` is the position of the URL."""
    url = _full_url(reader, arguments.get(at, "url"), session)
    verb = reader.text(method)
    data_at = at + 1 if verb.data.upper() in (b"POST", b"PUT", b"PATCH") else 99
    params = arguments.get(at + 1 if verb.data.upper() == b"GET" else 99, "params")
    data = arguments.get(data_at, "data")
    if data is None:
        data = arguments.named.get("content")
    json_at = at + 2 if data_at == at + 1 and verb.data.upper() == b"POST" else 99
    body, kind = _body(reader, data, arguments.get(json_at, "json"), arguments.named.get("files"))
    headers = _merged(reader, session, "headers", arguments.named.get("headers"))
    headers += _credentials(reader, arguments.named.get("auth") or (session.fields.get("auth") if session else None))
    reader.send(
        Draft(
            method=verb,
            url=url,
            params=tuple(pairs_of(reader, params)),
            query=params if isinstance(params, Text) else None,
            headers=tuple(headers),
            cookies=tuple(_merged(reader, session, "cookies", arguments.named.get("cookies"))),
            body=body,
            kind=kind,
            line=arguments.line,
        )
    )
    return answer()


def _full_url(reader: Interpreter, url: Value, session: Thing | None) -> Text:
    if isinstance(url, Thing) and url.kind == "request":
        url = url.fields.get("url")
    base = session.fields.get("base_url") if session else None
    return reader.text(url) if base is None else joined([reader.text(base), reader.text(url)])


def _merged(reader: Interpreter, session: Thing | None, field: str, given: Value) -> list[Pair]:
    """The session's entries, and those of the call, which go before them."""
    own = pairs_of(reader, given)
    names = {name.data.lower() for name, _ in own}
    lasting = pairs_of(reader, session.fields.get(field)) if session else []
    return [*(pair for pair in lasting if pair[0].data.lower() not in names), *own]


def _credentials(reader: Interpreter, auth: Value) -> list[Pair]:
    if not isinstance(auth, list) or len(auth) != 2:
        return []
    both = joined([reader.text(auth[0]), Text(b":"), reader.text(auth[1])])
    return [(Text(b"Authorization"), joined([Text(b"Basic "), base64_encoded(both)]))]


def _body(reader: Interpreter, data: Value, json: Value, files: Value) -> tuple[Text | None, bytes]:
    """The body and the content type that a client adds for it."""
    if isinstance(files, (Map, list)):
        fields = [Part(name, value) for name, value in pairs_of(reader, data)]
        return multipart([*fields, *_files(reader, files)]), b"multipart/form-data"
    if isinstance(data, (Map, list)):
        return form_encoded(pairs_of(reader, data)), FORM
    if json is not None:
        return json_written(json, reader.standins, reader.budget), b"application/json"
    return (None, b"") if data is None else (reader.text(data), b"")


def _files(reader: Interpreter, files: Map | list[Value]) -> list[Part]:
    pairs = [each for each in files if isinstance(each, list) and len(each) > 1] if isinstance(files, list) else []
    entries = [*files.pairs()] if isinstance(files, Map) else [(each[0], each[1]) for each in pairs]
    return [_file(reader, reader.text(name), value) for name, value in entries]


def _file(reader: Interpreter, name: Text, value: Value) -> Part:
    if isinstance(value, list) and len(value) >= 2:
        filename = None if value[0] is None else reader.text(value[0])
        kind = reader.text(value[2]) if len(value) > 2 else None
        return Part(name, reader.text(value[1]), filename, kind)
    if isinstance(value, Thing) and value.kind == "file":
        path = reader.text(value.fields.get("name"))
        return Part(name, reader.text(value), path.cut(path.data.rfind(b"/") + 1))
    return Part(name, reader.text(value), name)


# Sessions


def _session(reader: Interpreter, arguments: Arguments) -> Value:
    done = Thing("session")
    for name in ("headers", "cookies"):
        given = arguments.named.get(name)
        done.fields[name] = given.copy() if isinstance(given, Map) else Map()
    for name in ("base_url", "auth"):
        if arguments.named.get(name) is not None:
            done.fields[name] = arguments.named[name]
    return done


def _of_session(method: str, reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    session = receiver if isinstance(receiver, Thing) else None
    return _send(reader, text(method), arguments, session)


def _session_request(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    session = receiver if isinstance(receiver, Thing) else None
    return _send(reader, arguments.get(0, "method"), arguments, session, at=1)


def _set_cookie(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    if isinstance(receiver, Map):
        reader.put(receiver, arguments.get(0, "name"), arguments.get(1, "value"))
    return None


def _prepared(reader: Interpreter, arguments: Arguments) -> Value:
    """`requests.Request(method, url, …)`, sent later."""
    done = Thing("prepared")
    done.fields |= {"method": arguments.get(0, "method"), "url": arguments.get(1, "url")}
    done.fields |= {name: arguments.named[name] for name in arguments.named if name not in ("method", "url")}
    return done


def _send_prepared(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    given = arguments.get(0)
    if not isinstance(given, Thing) or given.kind != "prepared":
        return answer()
    named = {name: value for name, value in given.fields.items() if name != "body"}
    if given.fields.get("body") is not None:
        named["data"] = given.fields["body"]
    session = receiver if isinstance(receiver, Thing) else None
    return _send(reader, given.fields.get("method"), Arguments((), named, arguments.line), session, at=1)


def _prepare(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    return receiver if isinstance(receiver, Thing) and receiver.kind == "prepared" else arguments.get(0)


# urllib


def _urllib_request(reader: Interpreter, arguments: Arguments) -> Value:
    done = Thing("request")
    headers = arguments.get(2, "headers")
    done.fields |= {"url": arguments.get(0, "url"), "data": arguments.get(1, "data")}
    done.fields |= {"headers": headers if isinstance(headers, Map) else Map(), "method": arguments.named.get("method")}
    return done


def _add_header(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    headers = receiver.fields.get("headers") if isinstance(receiver, Thing) else None
    if isinstance(headers, Map):
        reader.put(headers, arguments.get(0), arguments.get(1))
    return None


def _add_data(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    if isinstance(receiver, Thing):
        receiver.fields["data"] = arguments.get(0)
    return None


def _urlopen(reader: Interpreter, arguments: Arguments, opener: Thing | None = None) -> Value:
    given = arguments.get(0, "url")
    data = arguments.get(1, "data")
    headers: list[Pair] = pairs_of(reader, opener.fields.get("addheaders")) if opener else []
    method: Value = None
    if isinstance(given, Thing) and given.kind == "request":
        data = given.fields.get("data") if data is None else data
        headers += pairs_of(reader, given.fields.get("headers"))
        method = given.fields.get("method") or given.fields.get("get_method")
        given = given.fields.get("url")
    body = None if data is None else reader.text(data)
    verb = reader.text(method) if isinstance(method, Text) else text("GET" if body is None else "POST")
    reader.send(
        Draft(method=verb, url=reader.text(given), headers=tuple(headers), body=body, kind=FORM, line=arguments.line)
    )
    return answer()


def _open_with(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    return _urlopen(reader, arguments, receiver if isinstance(receiver, Thing) else None)


# http.client


def _connection(reader: Interpreter, arguments: Arguments) -> Value:
    return Thing("connection")


def _connection_request(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    body = arguments.get(2, "body")
    reader.send(
        Draft(
            method=reader.text(arguments.get(0, "method")),
            url=as_path(reader.text(arguments.get(1, "url"))),
            body=None if body is None or body is False else reader.text(body),
            headers=tuple(pairs_of(reader, arguments.get(3, "headers"))),
            line=arguments.line,
        )
    )
    return answer()


def _put_request(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    if isinstance(receiver, Thing):
        receiver.fields |= {"method": arguments.get(0), "url": as_path(reader.text(arguments.get(1))), "headers": Map()}
        receiver.fields["body"] = None
    return None


def _end_headers(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    if isinstance(receiver, Thing) and arguments.get(0) is not None:
        receiver.fields["body"] = arguments.get(0)
    return None


def _get_response(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    """What `putrequest`, `putheader` and `send` put together goes out."""
    if isinstance(receiver, Thing) and receiver.fields.get("url") is not None:
        fields = receiver.fields
        parts = Arguments((fields["method"], fields["url"], fields["body"], fields["headers"]), {}, arguments.line)
        fields["url"] = None
        return _connection_request(reader, receiver, parts)
    return answer()


# Sockets


def _socket(reader: Interpreter, arguments: Arguments) -> Value:
    return Thing("socket")


def _wrapped(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    return arguments.get(0, "sock")


def write_socket(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    """`socket.send(data)`."""
    if isinstance(receiver, Thing):
        reader.write(receiver, reader.text(arguments.get(0)), arguments.line)
    return None


def read_socket(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    """`socket.recv()`, `socket.close()`: the request is complete."""
    if isinstance(receiver, Thing):
        reader.done_writing(receiver)
    return Unknown("answer()")


# Options


def _add_option(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    if not isinstance(receiver, Thing):
        return None
    flags = [reader.text(each).data.decode("latin-1") for each in arguments.values]
    long = next((flag for flag in flags if flag.startswith("--")), flags[0] if flags else "")
    given = arguments.named.get("dest")
    name = given.data.decode("latin-1") if isinstance(given, Text) else long.lstrip("-").replace("-", "_")
    default = arguments.named.get("default")
    known = receiver.fields.setdefault("known", Map())
    if isinstance(known, Map):
        reader.put(known, text(name[:60]), Unknown(name[:60]) if default in (None, False) else default)
    return None


def _parse_options(kind: str, reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    done = Thing("options")
    known = receiver.fields.get("known") if isinstance(receiver, Thing) else None
    for name, value in known.pairs() if isinstance(known, Map) else ():
        if isinstance(name, Text):
            done.fields[name.data.decode("latin-1")] = value
    return [done, Symbol("sys.argv")] if kind == "optparse" else done


def _parser(kind: str, reader: Interpreter, arguments: Arguments) -> Value:
    return Thing(kind)


def _group(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    return receiver


def _verb(method: str, reader: Interpreter, arguments: Arguments) -> Value:
    return _send(reader, text(method), arguments)


def _any_verb(reader: Interpreter, arguments: Arguments) -> Value:
    return _send(reader, arguments.get(0, "method"), arguments, at=1)


_FUNCTIONS: dict[str, python_texts.Function] = {
    **{f"{module}.{verb}": partial(_verb, verb.upper()) for module in _MODULES for verb in _VERBS},
    **{f"{module}.request": _any_verb for module in ("requests", "httpx", "aiohttp")},
    **dict.fromkeys(
        (
            "requests.Session", "requests.session", "requests.sessions.Session", "httpx.Client", "httpx.AsyncClient",
            "aiohttp.ClientSession", "cloudscraper.create_scraper", "requests_toolbelt.sessions.BaseUrlSession",
            "urllib3.PoolManager", "curl_cffi.requests.Session",
        ),
        _session,
    ),
    "requests.Request": _prepared,
    "requests.auth.HTTPBasicAuth": lambda _, arguments: [arguments.get(0), arguments.get(1)],
    **dict.fromkeys(("urllib2.urlopen", "urllib.urlopen", "urllib.request.urlopen"), _urlopen),
    **dict.fromkeys(("urllib2.Request", "urllib.request.Request"), _urllib_request),
    **dict.fromkeys(("urllib2.build_opener", "urllib.request.build_opener"), lambda _, __: Thing("opener")),
    **dict.fromkeys(
        (
            "http.client.HTTPConnection", "http.client.HTTPSConnection", "httplib.HTTPConnection", "httplib.HTTP",
            "httplib.HTTPSConnection", "http.client.HTTPSConnection",
        ),
        _connection,
    ),
    **dict.fromkeys(("socket.socket", "socket.create_connection", "pwn.remote", "telnetlib.Telnet"), _socket),
    "ssl.wrap_socket": lambda _, arguments: arguments.get(0),
    "argparse.ArgumentParser": partial(_parser, "argparse"),
    "optparse.OptionParser": partial(_parser, "optparse"),
}  # fmt: skip
_METHODS: dict[str, python_texts.Method] = {
    **{f"session.{verb}": partial(_of_session, verb.upper()) for verb in _VERBS},
    **{f"requests.Session.{verb}": partial(_of_session, verb.upper()) for verb in _VERBS},
    "session.request": _session_request, "session.send": _send_prepared, "session.prepare_request": _prepare,
    "prepared.prepare": _prepare, "map.set": _set_cookie, "map.set_cookie": _set_cookie,
    "request.add_header": _add_header, "request.add_data": _add_data, "request.add_unredirected_header": _add_header,
    "opener.open": _open_with, "connection.request": _connection_request, "connection.putrequest": _put_request,
    "connection.putheader": _add_header, "connection.endheaders": _end_headers, "connection.send": _end_headers,
    "connection.getresponse": _get_response, "connection.getreply": _get_response,
    **dict.fromkeys(("socket.send", "socket.sendall", "socket.write", "socket.sendline"), write_socket),
    **dict.fromkeys(
        ("socket.recv", "socket.close", "socket.read", "socket.recvall", "socket.shutdown", "socket.read_all"),
        read_socket,
    ),
    ".wrap_socket": _wrapped,
    "socket.makefile": lambda _, receiver, __: receiver,
    **dict.fromkeys(("argparse.add_argument", "optparse.add_option"), _add_option),
    **dict.fromkeys(
        ("argparse.add_argument_group", "argparse.add_mutually_exclusive_group", "optparse.add_option_group"), _group
    ),
    "argparse.parse_args": partial(_parse_options, "argparse"),
    "optparse.parse_args": partial(_parse_options, "optparse"),
    "file.read": lambda _, receiver, __: receiver,
    "file.__enter__": lambda _, receiver, __: receiver,
}  # fmt: skip

PYTHON = Library(
    functions={**python_texts.FUNCTIONS, **_FUNCTIONS},
    methods={**python_texts.METHODS, **_METHODS},
)
