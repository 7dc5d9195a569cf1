"""Write the ordinary events of each kind that ship: invented, repeatable, of documentation names and addresses only.

    python scripts/make_ordinary_events.py

They are what a rule about events must stay silent on, and what its surprise is measured in. Each line is an event in
RuleForge's own words.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "src" / "ruleforge" / "background" / "event_data"
SEED = 2099

Fields = dict[str, Any]

# (program, parent, arguments): what machines start all day.
LINUX = """
ls|bash|-la /srv/data
ls|bash|--color=auto
cat|bash|/etc/hostname
grep|bash|-rn error /srv/app/logs
grep|bash|-c failed report.txt
sed|make|-i s/old/new/ config.h
awk|cron|{print $1} /srv/data/list.txt
find|cron|/srv/backup -name *.gz -mtime +30 -delete
tar|cron|-czf /srv/backup/site.tar.gz /srv/site
rsync|cron|-a /srv/site/ backup@192.0.2.9:/srv/site/
gzip|logrotate|-9 /srv/app/logs/app.log.1
logrotate|cron|/etc/logrotate.conf
python3|systemd|/srv/app/manage.py runserver
python3|bash|-m venv /srv/app/env
python3|bash|-c import_sys
python3|cron|/srv/tools/report.py --since yesterday
node|systemd|/srv/web/server.js
npm|bash|run build
git|bash|pull --rebase origin main
git|sshd|upload-pack project.git
make|bash|-j4 all
gcc|make|-O2 -c main.c -o main.o
ssh|bash|backup@192.0.2.9 uptime
scp|bash|report.pdf backup@192.0.2.9:/srv/reports/
curl|bash|-s https://status.example/health
curl|cron|-fsS -o /srv/data/rates.json https://rates.example/latest.json
curl|bash|-I https://www.example/
wget|cron|-q -O /srv/data/list.csv https://lists.example/daily.csv
wget|bash|https://downloads.example/tool-2.1.tar.gz
docker|bash|ps -a
docker|systemd|run --rm -v /srv/data:/data reports:latest
systemctl|bash|status nginx
systemctl|ansible|restart app
journalctl|bash|-u app --since today
ps|bash|aux
top|bash|-b -n 1
df|cron|-h
du|bash|-sh /srv/data
free|cron|-m
uptime|bash|
date|sh|+%F
id|bash|
whoami|bash|
hostname|cron|-f
uname|configure|-a
env|bash|
sudo|bash|systemctl reload nginx
sudo|bash|apt-get update
apt-get|sudo|install -y jq
dpkg|apt-get|--configure -a
vim|bash|notes.txt
less|bash|/srv/app/logs/app.log
tail|bash|-f /srv/app/logs/app.log
head|bash|-n 20 list.csv
sort|sh|-u names.txt
wc|sh|-l list.csv
xargs|sh|-n 1 echo
cp|bash|config.yaml config.yaml.bak
mv|bash|report.tmp report.csv
rm|bash|-f build/main.o
rm|cron|-rf /tmp/build-cache
mkdir|bash|-p /srv/data/new
chmod|bash|644 report.csv
chmod|make|+x build/tool
chown|ansible|www-data:www-data /srv/site
crontab|bash|-l
openssl|cron|x509 -enddate -noout -in /etc/ssl/site.pem
base64|bash|report.bin
nc|bash|-zv db.internal.example 5432
ping|bash|-c 3 192.0.2.9
dig|bash|www.example
sh|cron|-c /srv/tools/clean.sh
sh|make|-c echo done
bash|sshd|-l
bash|cron|/srv/tools/nightly.sh
php-fpm|systemd|--nodaemonize
nginx|systemd|-g daemon off;
convert|php-fpm|upload.png -resize 200x200 thumb.png
sendmail|php-fpm|-t -i
java|systemd|-jar /srv/app/app.jar
mysqldump|cron|--single-transaction shop
psql|bash|-c select_1
kubectl|bash|get pods
terraform|bash|plan
"""
WINDOWS = r"""
explorer.exe|userinit.exe|
cmd.exe|explorer.exe|
cmd.exe|code.exe|/c npm run build
powershell.exe|explorer.exe|
powershell.exe|taskeng.exe|-File C:\Tools\report.ps1
powershell.exe|cmd.exe|Get-Service
svchost.exe|services.exe|-k netsvcs
svchost.exe|services.exe|-k LocalService
chrome.exe|explorer.exe|--type=renderer
chrome.exe|chrome.exe|https://www.example/
winword.exe|explorer.exe|C:\Users\ada\Documents\letter.docx
excel.exe|explorer.exe|C:\Users\ada\Documents\budget.xlsx
outlook.exe|explorer.exe|
splwow64.exe|winword.exe|8192
msiexec.exe|explorer.exe|/i C:\Users\ada\Downloads\viewer.msi
msiexec.exe|services.exe|/V
rundll32.exe|explorer.exe|shell32.dll,Control_RunDLL desk.cpl
rundll32.exe|svchost.exe|C:\Windows\System32\davclnt.dll,DavSetCookie
regsvr32.exe|msiexec.exe|/s C:\Program Files\Viewer\viewer.dll
reg.exe|cmd.exe|query HKLM\Software\Example
schtasks.exe|cmd.exe|/query
tasklist.exe|cmd.exe|
ipconfig.exe|cmd.exe|/all
ping.exe|cmd.exe|192.0.2.1
net.exe|cmd.exe|use z: \\files.example\share
whoami.exe|cmd.exe|
certutil.exe|cmd.exe|-hashfile setup.iso SHA256
certutil.exe|mmc.exe|-store my
notepad.exe|explorer.exe|C:\Users\ada\notes.txt
wevtutil.exe|cmd.exe|qe System /c:5
bitsadmin.exe|cmd.exe|/list
wmic.exe|cmd.exe|os get caption
mshta.exe|explorer.exe|C:\Program Files\Help\index.hta
conhost.exe|cmd.exe|0x4
taskhostw.exe|svchost.exe|
backup.exe|services.exe|/full D:\
sc.exe|cmd.exe|query spooler
vssadmin.exe|cmd.exe|list shadows
"""


def process() -> Iterator[Fields]:
    """Programs of servers and of desks."""
    for line in LINUX.strip().splitlines():
        program, parent, rest = line.split("|", 2)
        yield {
            "process.executable": f"/usr/bin/{program}", "process.name": program,
            "process.command_line": f"{program} {rest}".strip(), "parent.name": parent, "user": "app", "host": "web-1",
            "outcome": "success",
        }  # fmt: skip
    for line in WINDOWS.strip().splitlines():
        program, parent, rest = line.split("|", 2)
        yield {
            "process.executable": f"C:\\Windows\\System32\\{program}", "process.name": program,
            "process.command_line": f"{program} {rest}".strip(), "parent.name": parent, "user": "ada", "host": "desk-7",
            "outcome": "success",
        }  # fmt: skip


NAMES = """
www.example A|mail.example MX|example A|example NS|api.shop.example A|api.shop.example AAAA|cdn.assets.example A
static.media.example AAAA|updates.vendor.example A|time.pool.example A|ntp1.example A|ns1.example A|imap.mail.example A
_dmarc.example TXT|selector1._domainkey.example TXT|_acme-challenge.shop.example TXT|example TXT|shop.example TXT
_ldap._tcp.dc._msdcs.corp.example SRV|_sip._tls.example SRV|_xmpp-client._tcp.chat.example SRV|wpad.corp.example A
printer.corp.example A|files.corp.example A|dc1.corp.example A|4.2.0.192.in-addr.arpa PTR|9.2.0.192.in-addr.arpa PTR
1.100.51.198.in-addr.arpa PTR|telemetry.vendor.example A|ocsp.ca.example A|crl.ca.example A|img7.photos.example A
e1234.dscx.edge.example A|d3f8k2m1q7.cloudcdn.example A|a1b2c3d4.edge-7.cdn.example A|lb-eu-west-1a.apps.example A
ec2-198-51-100-7.compute.cloud.example A|ip-10-0-3-7.internal.example A|registry.packages.example A
repo.packages.example A|git.code.example A|ci.code.example A|docs.code.example CNAME|chat.example A|meet.example A
video.stream.example HTTPS|ads.tracker.example A|pixel.tracker.example A|fonts.assets.example A|auth.login.example A
sso.login.example A|db.internal.example A|cache.internal.example A|queue.internal.example A|vault.internal.example A
kubernetes.default.svc.cluster.local A|web.default.svc.cluster.local A|metrics.monitoring.svc.cluster.local A
autodiscover.corp.example A|lyncdiscover.corp.example A|isatap.corp.example A|weather.widgets.example A
maps.tiles.example A|a.tiles.example A|b.tiles.example A|news.feed.example A|feed.podcast.example A
f0a1b2c3d4e5.devices.iot.example A|3f9a77c1.rbl.mailcheck.example A|2.0.0.127.zen.blocklist.example A
safebrowsing.vendor.example A|sync.notes.example A|backup.storage.example A|bucket-7.storage.example A
shop.xyz A|festival.top A|clinic.click A|portal.zip A
"""


def dns() -> Iterator[Fields]:
    """Names that offices and servers ask for."""
    for number, entry in enumerate(NAMES.strip().replace("\n", "|").split("|")):
        name, kind = entry.split()
        labels = name.split(".")
        domain = ".".join(labels[-2:])
        yield {
            "question.name": name, "question.domain": domain, "question.type": kind, "question.class": "IN",
            "response.code": "NXDOMAIN" if number % 11 == 5 else "NOERROR",
            "source.address": f"192.0.2.{20 + number % 30}",
        }  # fmt: skip


CALLS = """
ec2 DescribeInstances|ec2 DescribeVolumes|ec2 DescribeRegions|ec2 DescribeSecurityGroups|ec2 DescribeSnapshots
ec2 RunInstances|ec2 StartInstances|ec2 StopInstances|ec2 TerminateInstances|ec2 CreateTags|ec2 CreateSnapshot
ec2 AuthorizeSecurityGroupIngress|ec2 CreateSecurityGroup|ec2 DeleteSnapshot|ec2 AllocateAddress
iam GetUser|iam ListUsers|iam ListRoles|iam GetRole|iam ListAccessKeys|iam CreateUser|iam AttachRolePolicy
iam PutRolePolicy|iam CreateRole|iam GetAccountSummary|iam GenerateCredentialReport|iam ListMFADevices
sts AssumeRole|sts GetCallerIdentity|sts GetSessionToken|s3 ListBuckets|s3 GetBucketLocation|s3 CreateBucket
s3 PutBucketTagging|s3 GetBucketPolicy|s3 PutBucketEncryption|s3 PutBucketLifecycle|s3 DeleteBucket
kms DescribeKey|kms Decrypt|kms GenerateDataKey|kms ListKeys|kms CreateGrant|lambda ListFunctions|lambda GetFunction
lambda UpdateFunctionCode|lambda CreateFunction|lambda Invoke|rds DescribeDBInstances|rds CreateDBSnapshot
rds ModifyDBInstance|cloudtrail DescribeTrails|cloudtrail LookupEvents|cloudtrail GetTrailStatus
logs DescribeLogGroups|logs CreateLogStream|logs PutRetentionPolicy|monitoring PutMetricAlarm
monitoring DescribeAlarms|signin ConsoleLogin|signin CheckMfa|secretsmanager GetSecretValue
secretsmanager ListSecrets|ssm GetParameters|ssm SendCommand|ssm DescribeInstanceInformation|guardduty ListDetectors
guardduty GetFindings|config DescribeConfigRules|organizations DescribeOrganization|ecr GetAuthorizationToken
ecs DescribeServices|ecs UpdateService|eks DescribeCluster|route53 ListHostedZones|route53 ChangeResourceRecordSets
"""
WRITES = ("Run", "Start", "Stop", "Terminate", "Create", "Authorize", "Delete", "Allocate", "Attach", "Put", "Update")


def cloud_api() -> Iterator[Fields]:
    """Calls of consoles, deployments and monitoring."""
    agents = ("aws-cli/2.15 Python/3.11", "Boto3/1.34 Python/3.11", "console.amazonaws.com", "terraform/1.7")
    for number, entry in enumerate(CALLS.strip().replace("\n", "|").split("|")):
        service, action = entry.split()
        failed = number % 9 == 4
        fields: Fields = {
            "provider": "aws", "service": f"{service}.amazonaws.com", "action": action,
            "outcome": "failure" if failed else "success", "user": ("deploy", "ada", "monitor", "ci")[number % 4],
            "user.type": ("AssumedRole", "IAMUser", "AssumedRole")[number % 3], "account": "111122223333",
            "region": ("eu-central-1", "us-east-1")[number % 2], "source.address": f"192.0.2.{10 + number % 9}",
            "user_agent": agents[number % 4], "read_only": "false" if action.startswith(WRITES) else "true",
        }  # fmt: skip
        if failed:
            fields["error.code"] = ("AccessDenied", "ThrottlingException", "ResourceNotFoundException")[number % 3]
        if service == "ec2" and "Ingress" in action:
            fields["request"] = {"/groupId": "sg-0a1", "/ipPermissions/items/0/ipRanges/items/0/cidrIp": "192.0.2.0/24"}
        yield fields


def auth_log() -> Iterator[Fields]:
    """Logins of people and programs, and what goes wrong every day."""
    chance = random.Random(SEED)
    users = ("ada", "bob", "carol", "deploy", "backup", "git")
    for number in range(80):
        user, address = chance.choice(users), f"192.0.2.{chance.randrange(10, 40)}"
        base: Fields = {
            "service": "sshd", "user": user, "source.address": address, "host": f"web-{number % 3}",
            "session.id": str(2_000 + number),
        }  # fmt: skip
        match number % 8:
            case 0 | 1 | 2:
                yield {**base, "action": "login", "outcome": "success", "auth.method": "publickey"}
            case 3:
                yield {**base, "action": "login", "outcome": "success", "auth.method": "password"}
            case 4:
                yield {
                    **base,
                    "action": "login",
                    "outcome": "failure",
                    "auth.method": "password",
                    "reason": "credential",
                }
            case 5:
                yield {**base, "action": "session", "outcome": "success"}
            case 6:
                yield {**base, "action": "disconnect"}
            case _:
                yield {**base, "service": "sudo", "action": "session", "outcome": "success"}


def network_flow() -> Iterator[Fields]:
    """Connections of a site."""
    for number in range(60):
        port = (443, 443, 80, 53, 22, 5432, 123, 443, 8080, 25)[number % 10]
        yield {
            "source.address": f"192.0.2.{10 + number % 20}", "source.port": 40_000 + number * 7,
            "destination.address": f"198.51.100.{1 + number % 15}", "destination.port": port,
            "network.protocol": 17 if port in (53, 123) else 6, "action": "REJECT" if number % 17 == 3 else "ACCEPT",
            "packets": 4 + number * 3 % 200, "bytes": 400 + number * 977 % 90_000,
            "direction": ("egress", "ingress")[number % 2],
        }  # fmt: skip


KINDS = {"process": process, "dns": dns, "cloud_api": cloud_api, "auth_log": auth_log, "network_flow": network_flow}


def lines(kind: str) -> str:
    """Return the file of a kind."""
    rows = (
        {"event": kind, "id": f"ordinary {kind} {n}", "fields": fields} for n, fields in enumerate(KINDS[kind](), 1)
    )
    return "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in KINDS:
        (FOLDER / f"{name}.jsonl").write_text(lines(name), "utf-8")
