"""Words for kinds of attack, and for what keeps one HTTP request from showing it."""

import re


def _any(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE)


# (payload class, or "" where the call itself is the attack; words), the most telling first.
WEAKNESSES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "jndi",
        _any(
            r"\bjndi\b",
            r"log4shell",
        ),
    ),
    (
        "shellshock",
        _any(
            r"shellshock",
        ),
    ),
    (
        "nosql_injection",
        _any(
            r"no-?sql[ -]injection",
        ),
    ),
    (
        "ldap_injection",
        _any(
            r"ldap[ -]injection",
        ),
    ),
    (
        "xpath_injection",
        _any(
            r"xpath[ -]injection",
        ),
    ),
    (
        "sql_injection",
        _any(
            r"(?<!no)(?<!no-)sql[ _-]?injections?",
            r"\bsqli\b",
            r"(?:arbitrary|additional|malicious) sql\b",
            r"in (?:an? )?sql (?:statement|quer)",
            r"special elements used in an sql",
        ),
    ),
    (
        "template_injection",
        _any(
            r"template[ -]injection",
            r"\bssti\b",
            r"\bognl\b",
            r"\bspel\b",
            r"expression[ -]language",
            r"expression injection",
            r"(?:velocity|freemarker|twig|jinja2?|groovy) (?:template|expression)",
        ),
    ),
    (
        "xxe",
        _any(
            r"\bxxe\b",
            r"xml external",
            r"external entit",
        ),
    ),
    (
        "serialized_object",
        _any(
            r"deseriali[sz]",
            r"object injection",
            r"\bunserialize",
        ),
    ),
    (
        "prototype_pollution",
        _any(
            r"prototype pollution",
        ),
    ),
    (
        "crlf_injection",
        _any(
            r"\bcrlf\b",
            r"response splitting",
            r"header injection",
        ),
    ),
    (
        "upload_name",
        _any(
            r"(?:arbitrary|unrestricted|malicious|insecure) (?:php )?(?:file )?uploads?\b",
            r"file uploads? (?:vulnerab|flaw)",
            r"uploads?(?:ing)? (?:of |an? |any )?(?:arbitrary|malicious|executable|dangerous|php) (?:php )?files?",
            r"upload of file with dangerous",
        ),
    ),
    (
        "redirect",
        _any(
            r"open[ -]redirect",
            r"ur[li][ -]redirect",
            r"unvalidated redirect",
            r"redirects? (?:the |remote |other )?(?:users?|victims?)",
            r"redirection to untrusted",
            r"untrusted site",
            r"redirection vulnerab",
        ),
    ),
    (
        "ssrf",
        _any(
            r"\bssrf\b",
            r"server[- ]side request",
            r"request forgery \(ssrf",
        ),
    ),
    (
        "rfi",
        _any(
            r"remote[ -]file[ -]inclu",
            r"\brfi\b",
        ),
    ),
    (
        "traversal",
        _any(
            r"(?:path|directory|folder)[ -]traversal",
            r"\btraversal\b",
            r"dot[ -]dot",
            r"local[ -]file[ -](?:inclusion|disclosure|read)",
            r"\blfi\b",
            (
                r"(?:read|download|disclos|view|access|retriev|obtain|leak|delet)\w* (?:of )?(?:any|arbitrary|"
                r"local|sensitive)(?: \w{1,12})? ?files?\b"
            ),
            r"arbitrary (?:local )?files? (?:read|download|disclosure|access|retrieval|inclusion|delet)",
            r"file (?:disclosure|inclusion|read) vulnerab",
            r"restricted directory",
        ),
    ),
    (
        "command_injection",
        _any(
            r"command[ -]injection",
            r"\bos command",
            r"shell (?:meta|command)",
            r"(?:remote|arbitrary) command",
            r"execut\w* (?:of )?(?:arbitrary )?(?:os |system |shell )?commands?",
            r"inject\w* (?:arbitrary )?(?:os |shell )?commands?",
        ),
    ),
    (
        "xss",
        _any(
            r"\bxss\b",
            r"cross[ -]?site[ -]script",
            r"(?:script|html) injection",
            r"arbitrary (?:web )?(?:java)?script",
            r"javascript code",
        ),
    ),
    (
        "code_injection",
        _any(
            r"\bphp code\b",
            r"code[ -]injection",
            r"eval injection",
            r"code evaluation",
            r"\beval\(",
            r"(?:arbitrary|remote|php|java|groovy) code",
            r"code[ -]execution",
            r"\brce\b",
        ),
    ),
    (
        "",
        _any(
            r"sensitive information",
            r"information (?:disclosure|exposure|leak)",
            r"disclos\w+",
            r"exposes?\b",
            r"expos(?:ed|ure)",
            r"credential",
            r"missing auth\w+",
            r"auth\w* bypass",
            r"bypass\w* (?:of )?auth",
            r"without auth\w+",
            r"unauthenticated access",
            r"access control",
            r"improper auth\w+",
            r"incorrect auth\w+",
            r"privilege escalation",
        ),
    ),
)
# Kinds of attack that several classes show → those classes, the likeliest first.
CLASSES_OF: dict[str, tuple[str, ...]] = {
    "redirect": ("url_value",),
    "ssrf": ("url_value", "internal_address"),
    "rfi": ("url_value", "traversal"),
}


def classes_of_weakness(means: str) -> tuple[str, ...]:
    """Return the payload classes by which a rule recognises a weakness; none where the call itself is the attack."""
    return CLASSES_OF.get(means, (means,) if means else ())


# (why no request to the product shows it, words)
NOT_HTTP: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "it is done by a user of the machine itself",
        _any(
            r"\blocal (?:attacker|user|privilege|authenticated)s?\b",
            r"locally (?:authenticated|logged)",
            r"physical(?:ly)? (?:access|present|proximate)",
            r"setuid",
            r"world-writable",
            r"symlink attack",
            r"dll (?:hijack|side-?load)",
        ),
    ),
    (
        "it is done by a file that somebody opens",
        _any(
            (
                r"(?:crafted|malicious|malformed|specially (?:crafted|formed)) (?:\.?\w{1,12} ){0,2}?(?:pdf|"
                r"image|font|video|audio|document|archive|spreadsheet|media|zip|png|jpe?g|gif|tiff?|bmp|"
                r"docx?|xlsx?|pptx?|rtf|mp[34]|elf|project|playlist)s?\b(?: files?)?"
            ),
            r"(?:opens?|opening) (?:a |an )?(?:\w+ ){0,3}(?:file|document)",
            r"file format",
            r"parsing of (?:\w+ )?files?",
        ),
    ),
    (
        "it corrupts memory, and nothing says by which HTTP request",
        _any(
            r"(?:buffer|heap|stack|integer)[ -](?:based )?(?:buffer )?(?:over|under)(?:flow|run|read)",
            r"use[- ]after[- ]free",
            r"out[- ]of[- ]bounds",
            r"double[ -]free",
            r"null pointer dereference",
            r"memory corruption",
            r"type confusion",
            r"kernel\b",
        ),
    ),
    (
        "it travels in another protocol",
        _any(
            (
                r"\b(?:smtp|imap|pop3|ftp|ssh|smb|rdp|snmp|telnet|dns|ntp|mqtt|amqp|ldap server|bluetooth|"
                r"modbus|kerberos|rmi|t3|iiop|ajp|redis protocol|memcached|mysql protocol|postgres(?:ql)"
                r"? (?:protocol|server)|sip|rtsp|wi-?fi|802\.11|usb|tls handshake|heartbeat|openwire|ipp|"
                r"udp|grpc|jmx|jdwp|rsync|nfs|dubbo protocol|corba|unix socket|x11|netbios|upnp|ssdp|coap)"
                r"\b"
            ),
        ),
    ),
    (
        "it happens in the browser or in a client program",
        _any(
            r"browser extension",
            r"(?:google )?chrome (?:before|prior)",
            r"firefox (?:before|prior)",
            r"internet explorer",
            r"webkit",
            r"v8 in",
            r"sandbox escape",
            r"mobile app",
            r"client[- ]side (?:only|attack)",
            r"(?:visits?|visiting) (?:a |an )?(?:crafted|malicious) (?:web ?site|page)",
            r"drive-by",
            r"clickjack",
            r"e-?mail client",
            r"desktop (?:app|client)",
            r"command[- ]line (?:tool|client)",
        ),
    ),
)
NEEDS_STATE = _any(
    r"(?:default|hard-?coded|static|well-known|weak|guessable) (?:\w+ )?(?:password|credential|account|key|secret)s?",
    r"brute[- ]?forc",
    r"race condition",
    r"session fixation",
    r"rate limit",
    r"replay(?:ed|ing)? (?:attack|token)",
    r"predictable (?:token|session)",
    r"\bcsrf\b",
    r"cross[- ]site request forgery",
)
NEEDS_RESPONSE = _any(
    r"enumerat\w+",
    r"different (?:responses?|error)",
    r"response (?:time|differs?|discrepan)",
    r"timing (?:attack|side)",
    r"observable (?:response|timing)",
    r"existence of (?:an? )?(?:user|account|file)",
    r"error messages? (?:reveal|disclos)",
)
WEB = _any(
    r"\bhttps?\b(?!://)",
    r"\burls?\b",
    r"\bweb\b",
    r"parameter",
    r"\bcookie",
    r"\brequests?\b",
    r"\bendpoint",
    r"\bpage\b",
    r"wordpress",
    r"plugin",
    r"\.php\b",
    r"\.jsp\b",
    r"\bapi\b",
    r"\bget\b",
    r"\bpost\b",
    r"\bxss\b",
    r"sql injection",
    r"cgi",
    r"servlet",
    r"html",
)
