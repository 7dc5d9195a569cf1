"""What the generator knows of names: generic path segments, canaries of scanners, how rare payloads are in traffic."""

import re

from ruleforge.generate.rates import class_bits

# Roots under which applications are deployed: what stands before them is the user's own prefix.
ROOTS = frozenset(
    b"wp-content wp-admin wp-json wp-includes cgi-bin administrator index.php xmlrpc.php wp-login.php wp-cron.php"
    b" components modules plugins".split()
)
GENERIC = frozenset(
    b"index.php index.html index.jsp index.asp index.aspx index.do index login login.php login.jsp login.html login.do"
    b" signin auth admin administrator upload uploads api v1 v2 v3 rest search user users home main default.aspx"
    b" default.asp data file files download image images static assets css js config test json xml view list get post"
    b" ajax ajax.php admin.php search.php user.php users.php register register.php account profile download.php"
    b" upload.php view.php page.php app web public scripts cgi-bin bin tmp logs setup install cart checkout product"
    b" products category news blog status info health metrics docs graphql wp-content wp-admin wp-json wp-includes"
    b" plugins themes modules components includes content proxy redirect fetch callback export import query execute run"
    b" report reports preview render convert admin-ajax.php admin-post.php async-upload.php jsonrpc rpc".split()
)
GENERIC_STEMS = frozenset(b"index default login main home welcome start signin logon register search".split())
IGNORE_CASE = (b".asp", b".aspx", b".ashx", b".asmx", b".axd", b".cfm", b".cfml", b".dll", b".asa")
CANARIES = re.compile(
    rb"interact\.?sh|oast\.|burpcollab|dnslog|ceye\.|nuclei|projectdiscovery|evil\.|example\.|attacker|hacker|"
    rb"pwned|etc/passwd|win\.ini|document\.domain|alert\(|confirm\(|prompt\(|webkitformboundary|[0-9a-f]{32}|"
    rb"127\.0\.0\.1|localhost|\d{6,}",
    re.IGNORECASE,
)
ORDINARY_VALUES = frozenset(
    b"0 1 2 true false on off yes no null none submit save ok go test admin user password default all en us json html"
    b" text id name asc desc get post page 10 20 50 100 -1 123 1234 12345 123456 a b c x y".split()
)
CLASS_BITS = class_bits()
HEADER_CLASS_BITS = 18.0  # no header value of normal traffic satisfied any class but url_value and upload_name
NAME_CLASS_BITS = 14.0  # few parameter names did: binary bodies read as forms
PATH_CLASS_BITS = 16.0  # nor a path, but for two traversals


def is_generic(segment: bytes) -> bool:
    """Whether a path segment is one that many products have."""
    name = segment.lower()
    return name in GENERIC or name.split(b".", 1)[0] in GENERIC_STEMS


# Classes that reach the same kind of flaw: an attacker who can use one can use the others.
FAMILIES: tuple[tuple[str, ...], ...] = (
    ("code_injection", "command_injection", "template_injection"),
    ("internal_address", "url_trick"),
    ("traversal", "url_value"),  # only where the exploit is a traversal: a file name that may be remote
)
STATIC_FOLDERS = frozenset(b"css images image img icons js static assets resources fonts themes skins media".split())
SENSITIVE_PATH = re.compile(
    rb"/(?:etc/|proc/|windows/|winnt/|boot\.ini|win\.ini|WEB-INF/|META-INF/|c:|[a-z]:[/\\])", re.IGNORECASE
)
