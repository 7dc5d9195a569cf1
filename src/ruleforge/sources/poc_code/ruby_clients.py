"""The HTTP clients of Ruby: Net::HTTP, HTTParty, RestClient, open-uri and sockets; with those of Metasploit."""

from functools import partial

from ruleforge.sources.nuclei.text import Text
from ruleforge.sources.poc_code import python_texts
from ruleforge.sources.poc_code.interpret import Interpreter, Library, pairs_of
from ruleforge.sources.poc_code.metasploit import METASPLOIT_FUNCTIONS, METASPLOIT_METHODS, basic_auth
from ruleforge.sources.poc_code.python_clients import answer, read_socket, write_socket
from ruleforge.sources.poc_code.python_texts import Function, Method
from ruleforge.sources.poc_code.ruby_texts import RUBY_FUNCTIONS, RUBY_METHODS, each_element
from ruleforge.sources.poc_code.texts import form_encoded
from ruleforge.sources.poc_code.values import Arguments, Map, Thing, Unknown, Value, text
from ruleforge.sources.poc_code.values import Function as OwnFunction
from ruleforge.sources.poc_code.wire import FORM, Draft, Pair, as_path


def _uri(reader: Interpreter, arguments: Arguments) -> Value:
    """`URI(url)`, `URI.parse(url)`."""
    done = Thing("uri")
    url = reader.text(arguments.get(0))
    done.fields |= {"text": url, "host": Unknown("host"), "port": Unknown("port"), "path": Unknown("path")}
    done.fields |= {"request_uri": url, "scheme": text("http")}
    return done


def _net_get(method: str, reader: Interpreter, arguments: Arguments) -> Value:
    """`Net::HTTP.get(uri)`, `.get(host, path)`, `.post(uri, data, headers)`."""
    values = list(arguments.values)
    url = reader.text(values[0]) if values else Text()
    if method == "GET" and len(values) > 1 and isinstance(values[1], Text):
        url = values[1]
    body = reader.text(arguments.get(1)) if method == "POST" and arguments.get(1) is not None else None
    headers = pairs_of(reader, arguments.get(2 if body is not None else 1))
    reader.send(Draft(method=text(method), url=url, headers=tuple(headers), body=body, kind=FORM, line=arguments.line))
    return answer()


def _post_form(reader: Interpreter, arguments: Arguments) -> Value:
    url, body = reader.text(arguments.get(0)), form_encoded(pairs_of(reader, arguments.get(1)))
    reader.send(Draft(method=text("POST"), url=url, body=body, kind=FORM, line=arguments.line))
    return answer()


def _net_connection(reader: Interpreter, arguments: Arguments) -> Value:
    return Thing("connection")


def _connection_verb(method: str, reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    has_body = method in ("POST", "PUT", "PATCH")
    body = reader.text(arguments.get(1)) if has_body and arguments.get(1) is not None else None
    headers: list[Pair] = pairs_of(reader, arguments.get(2 if has_body else 1))
    url = as_path(reader.text(arguments.get(0)))
    reader.send(Draft(method=text(method), url=url, headers=tuple(headers), body=body, kind=FORM, line=arguments.line))
    return answer()


def _net_request(method: str, reader: Interpreter, arguments: Arguments) -> Value:
    """`Net::HTTP::Post.new(path, headers)`."""
    done, headers = Thing("net_request"), arguments.get(1)
    items = headers.copy() if isinstance(headers, Map) else Map()
    done.fields |= {"method": text(method), "url": arguments.get(0), "items": items}
    return done


def _send_net_request(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    given = arguments.get(0)
    if isinstance(given, Thing) and given.kind == "net_request":
        body = given.fields.get("body")
        url = given.fields.get("url")
        shown = reader.text(url)
        reader.send(
            Draft(
                method=reader.text(given.fields.get("method")),
                url=shown if isinstance(url, Thing) else as_path(shown),
                headers=tuple(pairs_of(reader, given.fields.get("items"))),
                body=None if body is None else reader.text(body),
                kind=FORM,
                line=arguments.line,
            )
        )
    return answer()


def _form_data(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    if isinstance(receiver, Thing):
        receiver.fields["body"] = form_encoded(pairs_of(reader, arguments.get(0)))
    return None


def _set_header(name: str, reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    items = receiver.fields.get("items") if isinstance(receiver, Thing) else None
    if isinstance(items, Map):
        key = text(name) if name else arguments.get(0)
        value = basic_auth(reader, arguments) if name == "Authorization" else arguments.get(0 if name else 1)
        reader.put(items, key, value)
    return None


def _rest_client(method: str, reader: Interpreter, arguments: Arguments) -> Value:
    """HTTParty and RestClient: `post(url, body: …, headers: …)` and `post(url, payload, headers)`."""
    options = arguments.values[-1] if len(arguments.values) > 1 and isinstance(arguments.values[-1], Map) else Map()
    payload = options.get("body") if options.has("body") else None
    headers = options.get("headers") if options.has("headers") else None
    if not options.has("body") and not options.has("headers") and not options.has("query"):
        with_body = method in ("POST", "PUT", "PATCH")
        payload, headers = (arguments.get(1), arguments.get(2)) if with_body else (None, arguments.get(1))
    is_form = isinstance(payload, Map)
    body = form_encoded(pairs_of(reader, payload)) if is_form else None if payload is None else reader.text(payload)
    reader.send(
        Draft(
            method=text(method),
            url=reader.text(arguments.get(0)),
            params=tuple(pairs_of(reader, options.get("query"))),
            headers=tuple(pairs_of(reader, headers)),
            body=body,
            kind=FORM,
            line=arguments.line,
        )
    )
    return answer()


def _start(reader: Interpreter, arguments: Arguments) -> Value:
    """`Net::HTTP.start(host, port) { |http| … }`."""
    block = arguments.values[-1] if arguments.values else None
    connection = Thing("connection")
    return reader.invoke(block, Arguments((connection,))) if isinstance(block, OwnFunction) else connection


_VERBS = ("get", "post", "put", "patch", "delete", "head", "options")
_REST_CLIENTS = ("HTTParty", "RestClient", "Faraday", "HTTP", "Excon")
_SOCKETS = ("TCPSocket.new", "TCPSocket.open", "Rex.Socket.Tcp.create", "OpenSSL.SSL.SSLSocket.new")
_RANDOM = ("SecureRandom.hex", "SecureRandom.alphanumeric", "SecureRandom.uuid", "SecureRandom.random_number")
_WRITES = ("socket.put", "socket.write", "socket.puts", "socket.print", "socket.send")
_READS = ("socket.get_once", "socket.get", "socket.read", "socket.close", "socket.recv", "socket.gets")
_FUNCTIONS: dict[str, Function] = {
    **RUBY_FUNCTIONS,
    **METASPLOIT_FUNCTIONS,
    **{f"Net.HTTP.{verb.title()}.new": partial(_net_request, verb.upper()) for verb in _VERBS},
    **{f"{client}.{verb}": partial(_rest_client, verb.upper()) for client in _REST_CLIENTS for verb in _VERBS},
    **dict.fromkeys(("Net.HTTP.get", "Net.HTTP.get_response"), partial(_net_get, "GET")),
    **dict.fromkeys(("Net.HTTP.new", "Net.HTTP.Proxy"), _net_connection),
    **dict.fromkeys(("URI", "URI.parse"), _uri),
    **dict.fromkeys(("open", "URI.open", "OpenURI.open_uri"), partial(_rest_client, "GET")),
    **dict.fromkeys(_SOCKETS, lambda _, __: Thing("socket")),
    **dict.fromkeys(_RANDOM, METASPLOIT_FUNCTIONS["rand_text_alpha"]),
    "Net.HTTP.post": partial(_net_get, "POST"),
    "Net.HTTP.post_form": _post_form,
    "Net.HTTP.start": _start,
    "URI.join": python_texts.FUNCTIONS["urllib.parse.urljoin"],
    "URI.encode_www_form": python_texts.FUNCTIONS["urllib.parse.urlencode"],
}
_METHODS: dict[str, Method] = {
    **RUBY_METHODS,
    **METASPLOIT_METHODS,
    **{f"connection.{verb}": partial(_connection_verb, verb.upper()) for verb in _VERBS},
    **dict.fromkeys(_WRITES, write_socket),
    **dict.fromkeys(_READS, read_socket),
    "connection.request_get": partial(_connection_verb, "GET"),
    "connection.request_post": partial(_connection_verb, "POST"),
    "connection.request": _send_net_request,
    "connection.start": each_element,
    "net_request.set_form_data": _form_data,
    "net_request.add_field": partial(_set_header, ""),
    "net_request.basic_auth": partial(_set_header, "Authorization"),
}
RUBY = Library(
    functions=_FUNCTIONS,
    methods=_METHODS,
    receivers=("self",),
    implicit_self=True,
    entries=("initialize", "check", "exploit", "run", "run_host", "main"),
)
