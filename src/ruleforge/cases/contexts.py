"""How a payload stands in its value: what must stay before and after it, by class and context."""
# ruff: noqa: E501 - one pattern, one line

import re

# How a payload of a class stands in its value. The first context that fits decides; a payload of the list of that
# name replaces what lies between `head` and `tail`.
_CONTEXTS: dict[str, tuple[tuple[str, str], ...]] = {
    "traversal": (
        ("wrapper", r"(?i)\A(?P<head>)(?:file:|php://filter)[^\s]*(?P<tail>)\Z"),
        ("relative_windows", r"(?i)\A(?P<head>[^.\\]{0,100})(?:\.\.\\+){2,}(?:windows|winnt|boot\.ini)[^\x00%?#;&\[\"'\s]*(?P<tail>.*)\Z"),
        ("relative", r"(?i)\A(?P<head>[^.]{0,100})(?:\.\./+){2,}(?:etc|proc|windows|winnt|boot\.ini)\b[^\x00%?#;&\[\"'\s]*(?P<tail>.*)\Z"),
        ("absolute", r"(?i)\A(?P<head>)/+(?:etc|proc)/[^\x00%?#;&\[\"'\s]*(?P<tail>.*)\Z"),
        ("absolute_windows", r"(?i)\A(?P<head>)[a-z]:[/\\]+(?:windows|winnt|boot\.ini)[^\x00%?#;&\[\"'\s]*(?P<tail>.*)\Z"),
    ),
    "sql_injection": (
        ("statement", r"(?i)\A(?P<head>)\s*(?:select|insert|update|delete|exec|declare|with)\b.*(?P<tail>)\Z"),
        ("expression", r"(?i)\A(?P<head>)\s*(?:\(\s*select|if\s*\(|\(?case\b|sleep\s*\(|updatexml|extractvalue|\(?benchmark).*(?P<tail>)\Z"),
        ("string", r"(?i)\A(?P<head>[^'\"]{0,200}['\"](?:\s*\)){0,3})(?:[\s+/*;|&,)]|and|or|union).*(?P<tail>)\Z"),
        ("number", r"(?i)\A(?P<head>-?[\d.]{1,20}(?:\s*\)){0,3})[\s/*+;,].*(?P<tail>)\Z"),
    ),
    "xss": (
        ("tag", r"(?i)\A(?P<head>[^<]*(?:</[a-z]{1,20}\s*>|-->)*)<[a-z!/].*(?P<tail>)\Z"),
        ("attribute", r"(?i)\A(?P<head>[^<]*[\"'`\s/])on[a-z]{3,20}\s*=.*(?P<tail>)\Z"),
        ("scheme", r"(?i)\A(?P<head>)\s*javascript:.*(?P<tail>)\Z"),
    ),
    "command_injection": (
        ("shellshock", r"\A(?P<head>\(\)\s*\{[^}]*\}\s*;\s*)\S.*(?P<tail>)\Z"),
        ("substitution", r"\A(?P<head>[^`$;|&\n]*)(?:\$\([^)]*\)|`[^`]*`)(?P<tail>[^`$]*)\Z"),
        ("separator", r"\A(?P<head>[^;|&\n`$'\"]*(?P<q>[\"'])[^;|&\n`$'\"]*)(?:;|\|\|?|&&?|\r?\n).*?(?P<tail>[;#&|\s]{0,4}(?:(?P=q)[^'\"]{0,80})?)\Z"),
        ("separator", r"\A(?P<head>[^;|&\n`$'\"]*)(?:;|\|\|?|&&?|\r?\n).*(?P<tail>)\Z"),
        ("whole", r"\A(?P<head>)(?:cat|id|whoami|uname|ls|ping|curl|wget|nslookup|echo|ifconfig|sleep)\b[^;|&`$]*(?P<tail>)\Z"),
    ),
    "code_injection": (
        ("php_tag", r"(?i)\A(?P<head>(?:GIF8[79]a[;\s]*|[^<]{0,40}))<\?(?:php|=).*(?P<tail>)\Z"),
        ("jsp", r"\A(?P<head>[^<]{0,40})<%(?!@).*(?P<tail>)\Z"),
        ("php_call", r"(?i)\A(?P<head>)(?:@?eval|system|passthru|shell_exec|exec|phpinfo|print|echo|print_r|var_dump|die)\s*\(.*\)\s*(?P<tail>;?\s*)\Z"),
    ),
    "template_injection": (
        ("braces", r"\A(?P<head>[^{]*)\{\{.*\}\}(?P<tail>[^}]*)\Z"),
        ("ognl", r"\A(?P<head>[^%]*)%\{.*\}(?P<tail>[^}]*)\Z"),
        ("dollar", r"\A(?P<head>[^$]*)\$\{.*\}(?P<tail>[^}]*)\Z"),
        ("hash", r"\A(?P<head>[^#]*)#\{.*\}(?P<tail>[^}]*)\Z"),
        ("erb", r"\A(?P<head>[^<]*)<%=.*%>(?P<tail>[^>]*)\Z"),
    ),
    "jndi": (("lookup", r"\A(?P<head>[^$]*)\$\{.*\}(?P<tail>[^}]*)\Z"),),
    "xxe": (("system", r"(?i)\A(?P<head>.*?\bSYSTEM\s+[\"'])[^\"']*(?P<tail>[\"'].*)\Z"),),
    "serialized_object": (
        ("php", r"\A(?P<head>)(?:a:\d+:\{.*)?O:\d+:\".*(?P<tail>)\Z"),
        ("java_base64", r"\A(?P<head>)rO0AB.*(?P<tail>)\Z"),
    ),
    "crlf_injection": (("line", r"\A(?P<head>[^\r\n]*[\r\n]+)\s*[A-Za-z-]{2,40}\s*[:=].*(?P<tail>)\Z"),),
    "ldap_injection": (("ldap", r"\A(?P<head>[^()*]*)\*?\).*(?P<tail>)\Z"),),
    "nosql_injection": (
        ("javascript", r"\A(?P<head>[^'\"]*')\s*(?:\|\||&&|;).*(?P<tail>)\Z"),
    ),
    "upload_name": (
        ("php", r"(?i)\A(?P<head>.{0,200}\.)(?:php\d?|phtml|phar|pht)(?P<tail>\Z|[^\w].*)\Z"),
        ("jsp", r"(?i)\A(?P<head>.{0,200}\.)(?:jspx?|jspf|jsw)(?P<tail>\Z|[^\w].*)\Z"),
        ("asp", r"(?i)\A(?P<head>.{0,200}\.)(?:aspx?|ashx|asmx|asa|cer)(?P<tail>\Z|[^\w].*)\Z"),
    ),
    "url_value": (
        ("absolute", r"(?i)\A(?P<head>)https?:/{2}[^/?#@\\]+(?P<tail>(?:[/?#][^@]*)?)\Z"),
        ("relative", r"(?i)\A(?P<head>)(?://|/\\|\\\\)[^/?#@\\]+(?P<tail>(?:[/?#][^@]*)?)\Z"),
    ),
}  # fmt: skip
CONTEXTS = {
    name: tuple((context, re.compile(pattern.encode(), re.DOTALL)) for context, pattern in contexts)
    for name, contexts in _CONTEXTS.items()
}
