"""Words for kinds of attack, and for what keeps one HTTP request from showing it."""

import re

# (payload class, or "" where the call itself is the attack; words), the most telling first.
WEAKNESSES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(words, re.IGNORECASE))
    for name, words in (
        ("jndi", r"\bjndi\b|log4shell"),
        ("shellshock", r"shellshock"),
        ("nosql_injection", r"no-?sql[ -]injection"),
        ("ldap_injection", r"ldap[ -]injection"),
        ("xpath_injection", r"xpath[ -]injection"),
        ("sql_injection", r"(?<!no)(?<!no-)sql[ _-]?injections?|\bsqli\b|(?:arbitrary|additional|malicious) sql\b"
                          r"|in (?:an? )?sql (?:statement|quer)|special elements used in an sql"),
        ("template_injection", r"template[ -]injection|\bssti\b|\bognl\b|\bspel\b|expression[ -]language"
                               r"|expression injection|(?:velocity|freemarker|twig|jinja2?|groovy) (?:template|expression)"),
        ("xxe", r"\bxxe\b|xml external|external entit"),
        ("serialized_object", r"deseriali[sz]|object injection|\bunserialize"),
        ("prototype_pollution", r"prototype pollution"),
        ("crlf_injection", r"\bcrlf\b|response splitting|header injection"),
        ("upload_name", r"(?:arbitrary|unrestricted|malicious|insecure) (?:php )?(?:file )?uploads?\b|file uploads? (?:vulnerab|flaw)"
                        r"|uploads?(?:ing)? (?:of |an? |any )?(?:arbitrary|malicious|executable|dangerous|php) (?:php )?files?"
                        r"|upload of file with dangerous"),
        ("redirect", r"open[ -]redirect|ur[li][ -]redirect|unvalidated redirect|redirects? (?:the |remote |other )?(?:users?|victims?)"
                     r"|redirection to untrusted|untrusted site|redirection vulnerab"),
        ("ssrf", r"\bssrf\b|server[- ]side request|request forgery \(ssrf"),
        ("rfi", r"remote[ -]file[ -]inclu|\brfi\b"),
        ("traversal", r"(?:path|directory|folder)[ -]traversal|\btraversal\b|dot[ -]dot|local[ -]file[ -](?:inclusion|disclosure|read)|\blfi\b"
                      r"|(?:read|download|disclos|view|access|retriev|obtain|leak|delet)\w* (?:of )?(?:any|arbitrary|local|sensitive)"
                      r"(?: \w{1,12})? ?files?\b|arbitrary (?:local )?files? (?:read|download|disclosure|access|retrieval|inclusion|delet)"
                      r"|file (?:disclosure|inclusion|read) vulnerab|restricted directory"),
        ("command_injection", r"command[ -]injection|\bos command|shell (?:meta|command)|(?:remote|arbitrary) command"
                              r"|execut\w* (?:of )?(?:arbitrary )?(?:os |system |shell )?commands?|inject\w* (?:arbitrary )?(?:os |shell )?commands?"),
        ("xss", r"\bxss\b|cross[ -]?site[ -]script|(?:script|html) injection|arbitrary (?:web )?(?:java)?script|javascript code"),
        ("code_injection", r"\bphp code\b|code[ -]injection|eval injection|code evaluation|\beval\(|(?:arbitrary|remote|php|java|groovy) code"
                           r"|code[ -]execution|\brce\b"),
        ("", r"sensitive information|information (?:disclosure|exposure|leak)|disclos\w+|exposes?\b|expos(?:ed|ure)|credential"
             r"|missing auth\w+|auth\w* bypass|bypass\w* (?:of )?auth|without auth\w+|unauthenticated access|access control"
             r"|improper auth\w+|incorrect auth\w+|privilege escalation"),
    )
)  # fmt: skip

# Attack that needs a class of the rule language → the classes that show it, the likeliest first.
CLASSES_OF: dict[str, tuple[str, ...]] = {"redirect": ("url_value",), "ssrf": ("url_value", "internal_address"), "rfi": ("url_value", "traversal")}


def classes_of_weakness(means: str) -> tuple[str, ...]:
    """Return the payload classes by which a rule recognises a weakness; none where the call itself is the attack."""
    return CLASSES_OF.get(means, (means,) if means else ())


NOT_HTTP: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (why, re.compile(words, re.IGNORECASE))
    for why, words in (
        (
            "it is done by a user of the machine itself",
            r"\blocal (?:attacker|user|privilege|authenticated)s?\b|locally (?:authenticated|logged)|physical(?:ly)? (?:access|present|proximate)"
            r"|setuid|world-writable|symlink attack|dll (?:hijack|side-?load)",
        ),
        (
            "it is done by a file that somebody opens",
            r"(?:crafted|malicious|malformed|specially (?:crafted|formed)) (?:\.?\w{1,12} ){0,2}?(?:pdf|image|font|video|audio|document|archive|"
            r"spreadsheet|media|zip|png|jpe?g|gif|tiff?|bmp|docx?|xlsx?|pptx?|rtf|mp[34]|elf|project|playlist)s?\b(?: files?)?"
            r"|(?:opens?|opening) (?:a |an )?(?:\w+ ){0,3}(?:file|document)|file format|parsing of (?:\w+ )?files?",
        ),
        (
            "it corrupts memory, and nothing says by which HTTP request",
            r"(?:buffer|heap|stack|integer)[ -](?:based )?(?:buffer )?(?:over|under)(?:flow|run|read)|use[- ]after[- ]free|out[- ]of[- ]bounds|double[ -]free"
            r"|null pointer dereference|memory corruption|type confusion|kernel\b",
        ),
        (
            "it travels in another protocol",
            r"\b(?:smtp|imap|pop3|ftp|ssh|smb|rdp|snmp|telnet|dns|ntp|mqtt|amqp|ldap server|bluetooth|modbus|kerberos|rmi|t3|iiop|ajp|redis protocol|memcached|"
            r"mysql protocol|postgres(?:ql)? (?:protocol|server)|sip|rtsp|wi-?fi|802\.11|usb|tls handshake|heartbeat|"
            r"openwire|ipp|udp|grpc|jmx|jdwp|rsync|nfs|dubbo protocol|corba|unix socket|x11|netbios|upnp|ssdp|coap)\b",
        ),
        (
            "it happens in the browser or in a client program",
            r"browser extension|(?:google )?chrome (?:before|prior)|firefox (?:before|prior)|internet explorer|webkit|v8 in|sandbox escape|mobile app"
            r"|client[- ]side (?:only|attack)|(?:visits?|visiting) (?:a |an )?(?:crafted|malicious) (?:web ?site|page)|drive-by|clickjack"
            r"|e-?mail client|desktop (?:app|client)|command[- ]line (?:tool|client)",
        ),
    )
)
NEEDS_STATE = re.compile(
    r"(?:default|hard-?coded|static|well-known|weak|guessable) (?:\w+ )?(?:password|credential|account|key|secret)s?|brute[- ]?forc"
    r"|race condition|session fixation|rate limit|replay(?:ed|ing)? (?:attack|token)|predictable (?:token|session)|\bcsrf\b"
    r"|cross[- ]site request forgery",
    re.IGNORECASE,
)
NEEDS_RESPONSE = re.compile(
    r"enumerat\w+|different (?:responses?|error)|response (?:time|differs?|discrepan)|timing (?:attack|side)|observable (?:response|timing)"
    r"|existence of (?:an? )?(?:user|account|file)|error messages? (?:reveal|disclos)",
    re.IGNORECASE,
)
WEB = re.compile(
    r"\bhttps?\b(?!://)|\burls?\b|\bweb\b|parameter|\bcookie|\brequests?\b|\bendpoint|\bpage\b|wordpress|plugin|\.php\b|\.jsp\b|\bapi\b|\bget\b|\bpost\b"
    r"|\bxss\b|sql injection|cgi|servlet|html",
    re.IGNORECASE,
)
