"""Whether a host of a document is the one under attack, or some other place on the web."""

import re

MAX_AUTHORITY = 300  # characters

_TARGET_LIKE = re.compile(
    r"^localhost|^\d{1,3}(?:\.\d{1,3}){3}$|^\[[0-9a-f:.]+\]$|[\[<{$]|%5[Bb]|%3[Cc]|x{3,}|x\.x\.x"
    r"|(?:^|[.-])(?:targets?|victim|example\d?|vulnerable(?:site|server|host)?|vuln|test(?:site|server|domain)?|local|lab"
    r"|(?:my|your|the|some|victim|target|any|remote)?[_-]?(?:site|host|hostname|domain|server|website|company|wordpress"
    r"|webserver|ip|address)|demo|home|intranet|htb)\d?(?:$|[.:_-])",
    re.IGNORECASE,
)
# Places where people publish, search and download.
_ABOUT = re.compile(
    r"(?:^|\.)(?:github|githubusercontent|gitee|gitbook|google|bing|baidu|shodan|fofa|zoomeye|exploit-db|"
    r"packetstormsecurity|packetstorm|securityfocus|secunia|osvdb|youtube|youtu|wikipedia|mitre|nist|first|twitter|x|"
    r"facebook|archive|pastebin|wpscan|0day|1337day|vulnerability-lab|vuldb|snyk|huntr|owasp|w3|xmlsoap|"
    r"openwall|seclists|cert|cisa|aliyun|freebuf|anquanke|medium|microsoft|mozilla|wordpress|sourceforge|docker|"
    r"portswigger|rapid7|tenable|hackerone|cxsecurity|linkedin|shields|maven|npmjs|pypi|tools\.ietf|ietf|redhat)"
    r"\.(?:[a-z]{2,6})(?:\.[a-z]{2})?$",
    re.IGNORECASE,
)


def host_of(authority: str) -> str:
    """The host without user, password and port, lower case."""
    host = authority[:MAX_AUTHORITY].rpartition("@")[2]
    return re.sub(r":[^:\]]{0,20}$", "", host).lower()


def is_about(authority: str) -> bool:
    """Whether this is a place that publishes about vulnerabilities or software, and never the target of an example."""
    return bool(_ABOUT.search(host_of(authority)))


def is_target_like(authority: str) -> bool:
    """Whether people mean the vulnerable server by it: `localhost`, an address, `victim.com`, `[host]`."""
    host = host_of(authority)
    return not is_about(authority) and (("." not in host and ":" not in host) or bool(_TARGET_LIKE.search(host)))
