"""A disclosure of ours as it is read from a disk, with one text of a stranger in it."""

import json
from urllib.parse import quote

CVE = "CVE-2099-0601"
# Places of a disclosure where text of a stranger stands, and a harmless text for each.
PLACES = {
    "finding_title": "Fruit Press reads files",
    "advisory_prose": "The page show.php of Fruit Press reads any file that the argument file names.",
    "advisory_tag": "fruit",
    "advisory_product": "fruit_press",
    "user_agent": "Mozilla/5.0",
    "request_header": "X-Note: pears",
    "request_path": "pears",
    "request_body": "pears=2",
    "poc_comment": "# pears",
    "file_name": "pears.txt",
}


def template(place: str, text: str) -> str:
    """A template as it is read from a disk, with one text of a stranger in it; JSON is YAML."""
    said = PLACES | {place: text}
    info = {
        "name": said["finding_title"],
        "author": "somebody",
        "severity": "high",
        "description": said["advisory_prose"],
        "classification": {"cve-id": CVE, "cwe-id": "CWE-22"},
        "metadata": {"vendor": "orchard", "product": said["advisory_product"]},
        "tags": said["advisory_tag"],
    }
    document = {"id": CVE, "info": info, "http": [{"raw": [raw(place, text)]}]}
    return json.dumps(document, ensure_ascii=False)  # YAML has no surrogate pairs


def raw(place: str, text: str) -> str:
    line = text.replace("\r", "\\r").replace("\n", "\\n")  # what would end a header cannot stand in one
    target = "/press/show.php?file=../../../../etc/passwd"
    if place == "request_path":
        target += "&note=" + quote(text, safe="/<>|=&?%")
    headers = ["Host: {{Hostname}}", f"User-Agent: {line if place == 'user_agent' else PLACES['user_agent']}"]
    headers += [line] if place == "request_header" else []
    body = text if place in ("request_body", "poc_comment") else ""
    if place == "file_name":
        headers.append("Content-Type: multipart/form-data; boundary=pear")
        escaped = line.replace('"', "%22")
        body = f'--pear\r\nContent-Disposition: form-data; name="f"; filename="{escaped}"\r\n\r\npears\r\n--pear--\r\n'
    method = "POST" if body else "GET"
    return f"{method} {target} HTTP/1.1\n" + "\n".join(headers) + "\n\n" + body
