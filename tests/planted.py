"""A corpus of planted secrets, made while a test runs: nothing in this repository looks like one.

`plant(seed)` gives the same files with the same secrets for the same seed, and the same files with
other secrets for another one.
"""

from __future__ import annotations

import base64
import json
import random
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BASE62 = string.ascii_letters + string.digits
BASE64 = BASE62 + "+/"
URLSAFE = BASE62 + "-_"
BASE32 = string.ascii_uppercase + "234567"
HEX = string.digits + "abcdef"


@dataclass
class Planted:
    """One file: its content, and the texts that must be nowhere."""

    path: str
    content: bytes
    secrets: list[str] = field(default_factory=list)


class Maker:
    """Makes secrets of the forms that their services give them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def of(self, alphabet: str, count: int) -> str:
        """Random characters, eight or more with a digit and a letter of each kind there is."""
        assert count >= 8, "too short to have one of each kind"
        while True:
            text = "".join(self.random.choices(alphabet, k=count))
            kinds = [string.digits, string.ascii_lowercase, string.ascii_uppercase]
            wanted = [kind for kind in kinds if set(kind) & set(alphabet)]
            if all(set(kind) & set(text[1:-1]) for kind in wanted) and text[-1].isalnum():
                return text

    def aws_id(self) -> str:
        return "AKIA" + self.of(BASE32, 16)

    def aws_secret(self) -> str:
        return self.of(BASE64, 40)

    def github(self) -> str:
        return "ghp_" + self.of(BASE62, 36)

    def github_fine(self) -> str:
        return "github_pat_" + self.of(BASE62, 22) + "_" + self.of(BASE62, 59)

    def gitlab(self) -> str:
        return "glpat-" + self.of(BASE62, 20)

    def slack(self) -> str:
        numbers = "-".join("1" + self.digits(11) for _ in range(2))
        return "xoxb-" + numbers + "-" + self.of(BASE62, 24)

    def slack_hook(self) -> str:
        parts = "/".join(("T" + self.of(BASE32, 9), "B" + self.of(BASE32, 10), self.of(BASE62, 24)))
        return "https://hooks.slack.com/services/" + parts

    def stripe(self) -> str:
        return "sk_live_" + self.of(BASE62, 24)

    def google(self) -> str:
        return "AIza" + self.of(URLSAFE, 35)

    def openai(self) -> str:
        return "sk-proj-" + self.of(BASE62, 58) + "T3Blbk" + "FJ" + self.of(BASE62, 58)

    def anthropic(self) -> str:
        return "sk-ant-" + "api03-" + self.of(BASE62, 93) + "AA"

    def npm(self) -> str:
        return "npm_" + self.of(BASE62, 36)

    def pypi(self) -> str:
        return "pypi-AgEIcHlwaS5" + "vcmc" + self.of(URLSAFE, 90)

    def sendgrid(self) -> str:
        return "SG." + self.of(BASE62, 22) + "." + self.of(BASE62, 43)

    def azure_storage(self) -> str:
        return self.of(BASE64, 86) + "=="

    def azure_client(self) -> str:
        return "".join(self.random.choices(BASE62, k=3)) + "8Q~" + self.of(BASE62, 34)

    def twilio(self) -> str:
        return "SK" + self.of(HEX, 32)

    def digits(self, count: int) -> str:
        return "".join(self.random.choices(string.digits, k=count))

    def key(self, count: int = 32) -> str:
        return self.of(BASE62, count)

    def hexadecimal(self, count: int = 40) -> str:
        return self.of(HEX, count)

    def password(self) -> str:
        return self.of(BASE62, 11) + "!" + self.digits(4)

    def jwt(self) -> str:
        def part(value: object) -> str:
            return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

        claims = {"sub": self.of(BASE62, 16), "name": self.of(BASE62, 12), "iat": 1516239022}
        return ".".join((part({"alg": "HS256", "typ": "JWT"}), part(claims), self.of(BASE62, 43)))

    def pem_lines(self, count: int = 14) -> list[str]:
        return [self.of(BASE64, 64) for _ in range(count)]


def pem(lines: list[str], kind: str = "RSA ") -> str:
    """A private key of these lines of data."""
    return "\n".join(
        (f"-----BEGIN {kind}PRIVATE KEY-----", *lines, f"-----END {kind}PRIVATE KEY-----")
    )


def plant(seed: int) -> list[Planted]:
    """Files of many languages, each with secrets of its own."""
    make = Maker(seed)
    found: list[Planted] = []

    def one(path: str, template: str, *makers: Callable[[], str], encoding: str = "utf-8") -> None:
        """A file of `template`, in which each `@@` is the next secret."""
        secrets = [maker() for maker in makers]
        parts = template.split("@@")
        assert len(parts) == len(secrets) + 1, path
        text = parts[0] + "".join(s + p for s, p in zip(secrets, parts[1:], strict=True))
        content = text.encode(encoding)
        found.append(Planted(path, content, secrets))

    def keyed(path: str, template: str, kind: str = "RSA ", escape: bool = False) -> None:
        """A file of `template`, in which `@@` is a private key."""
        lines = make.pem_lines()
        text = pem(lines, kind)
        text = text.replace("\n", "\\n") if escape else text
        found.append(Planted(path, template.replace("@@", text).encode(), lines))

    one(
        "py/cloud.py",
        'import boto3\n\n\nclass Cloud:\n    KEY_ID = "@@"\n'
        '    SECRET = "@@"\n\n    def connect(self):\n        return boto3.client("s3")\n',
        make.aws_id,
        make.aws_secret,
    )
    one("js/hub.js", "export const hub = connect({ auth: '@@' });\n", make.github)
    one("sh/deploy.sh", "#!/bin/sh\nexport GH=@@\n./deploy\n", make.github_fine)
    one("ci/gitlab.yml", "deploy:\n  variables:\n    PUSH: @@\n", make.gitlab)
    one(
        "rb/notify.rb",
        "# Tells the channel.\ndef notify\n  Slack.new('@@').post('@@')\nend\n",
        make.slack,
        make.slack_hook,
    )
    one("rb/pay.rb", 'Stripe.api_key = "@@"\n\ndef pay; end\n', make.stripe)
    one(
        "java/Maps.java",
        'class Maps {\n  // of the old account: @@\n  static final String KEY = "@@";\n}\n',
        make.google,
        make.google,
    )
    one(
        "ts/models.ts",
        'const a = new OpenAI({ apiKey: "@@" });\nconst b = new Anthropic({ apiKey: "@@" });\n',
        make.openai,
        make.anthropic,
    )
    one("ts/session.ts", "const session = `@@`;\nexport default session;\n", make.jwt)
    one("py/.npmrc", "save-exact=true\n//registry.npmjs.org/:_authToken=@@\n", make.npm)
    one("py/setup.cfg", "[distutils]\n# @@\nuniversal = 1\n", make.pypi)
    one("go/mail.go", 'package mail\n\nvar key = "@@"\n\nfunc Send() {}\n', make.sendgrid)
    one(
        "cs/Blob.cs",
        'class Blob {\n  string c = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=@@";\n'
        '  string d = "Server=tcp:db;User ID=app;Password=@@;Encrypt=True";\n}\n',
        make.azure_storage,
        make.password,
    )
    one("json/azure.json", '{"tenant": "t", "clientSecret": "@@"}\n', make.azure_client)
    one(
        "php/call.php",
        "<?php\n$twilio = new Client('@@');\n$config = ['password' => '@@'];\n",
        make.twilio,
        make.password,
    )
    one(
        "toml/app.toml",
        'name = "app"\nurl = "postgres://app:@@@db.internal:5432/app"\napi_key = "@@"\n',
        make.key,
        make.key,
    )
    one("rs/lib.rs", 'const API_TOKEN: &str = "@@";\n\npub fn call() {}\n', make.hexadecimal)
    one("c/auth.c", '/* secret = "@@" */\nint auth(void) { return 0; }\n', make.hexadecimal)
    one("conf/app.properties", "db.user=app\ndb.password=@@\n", make.password)
    one("conf/web.xml", "<user>\n  <password>@@</password>\n</user>\n", make.password)
    one("docker/Dockerfile", "FROM debian\nENV SERVICE_TOKEN=@@\n", make.key)
    one("docker/compose.yml", "environment:\n  - name: API_TOKEN\n    value: @@\n", make.key)
    one(
        "k8s/secret.yaml",
        "apiVersion: v1\nkind: Secret\ndata:\n  user: @@\n  word: @@\n",
        lambda: make.of(BASE62, 16),
        lambda: make.of(BASE62, 20),
    )
    one("tf/main.tf", 'variable "x" {}\nresource "db" "a" {\n  password = "@@"\n}\n', make.password)
    one(
        "docs/guide.md",
        "# Guide\n\nCall it with the key:\n\n```sh\ncurl -H 'Authorization: Bearer @@' "
        "https://api.internal/v1\ncurl -u admin:@@ https://api.internal/v1\n```\n",
        make.key,
        make.key,
    )
    one(
        "nb/a.ipynb",
        '{"cells": [{"source": ["password = \\"@@\\"\\n", "x = 1\\n"]}]}\n',
        make.password,
    )
    one("sql/users.sql", "-- CREATE USER app;\n-- password: '@@'\nSELECT 1;\n", make.password)
    one(
        "wide/settings.ini", "[db]\npassword = @@\nname = größe\n", make.password, encoding="utf-16"
    )
    one("old/config.py", '# für Prüfungen\napi_key = "@@"\n', make.key, encoding="cp1252")
    one(
        "py/names.py",
        "def @@(x):\n    return x\n\n\nclass @@:\n    pass\n",
        make.github,
        make.aws_id,
    )
    one(
        "py/long.py",
        'TEXT = """\nFirst line.\n  token: "@@"\nLast line.\n"""\n\n\n'
        "def after():\n    return TEXT\n",
        make.key,
    )
    filler = ";".join(f"function f{n}(a,b){{return a+b*{n}}}" for n in range(900))
    one("js/app.min.js", filler + ';var t={apiKey:"@@",n:1};' + filler + "\n", make.key)

    keyed("go/tls.go", "package tls\n\nconst key = `@@`\n\nfunc Serve() {}\n")
    keyed("py/keys.py", '"""Keys."""\n\nKEY = """@@\n"""\n\n\ndef load():\n    return KEY\n', "")
    keyed(
        "json/account.json",
        '{"type": "service_account", "private_key": "@@\\n"}\n',
        "",
        escape=True,
    )
    lines = make.pem_lines()
    joined = "".join(f'"{line}\\r\\n"\n' for line in pem(lines, "EC ").split("\n"))
    found.append(Planted("c/key.c", f"const char key[] =\n{joined};\n".encode(), lines))
    lines = make.pem_lines()
    text = f"It is:\n{pem(lines)}\nand no more.\n".replace("\n", "\r\n")
    found.append(Planted("crlf/key.txt", text.encode(), lines))
    lines = make.pem_lines()
    cell = json.dumps({"cells": [{"source": [pem(lines)]}]})
    found.append(Planted("nb/key.ipynb", cell.encode(), lines))
    lines = make.pem_lines()
    remark = "".join(f"# {line}\n" for line in pem(lines).split("\n"))
    found.append(Planted("py/remark.py", f"x = 1\n{remark}y = 2\n".encode(), lines))
    encoded = base64.b64encode(pem(make.pem_lines()).encode()).decode()
    pieces = [encoded[at : at + 60] for at in range(60, len(encoded) - 60, 60)]
    found.append(Planted("k8s/config", f"client-key-data: {encoded}\nx: 1\n".encode(), pieces))
    one("conf/app.env.example", "API_KEY=@@\nDB_PASS=@@\n", make.key, make.password)
    one(
        "conf/spring.yml",
        "spring:\n  datasource:\n    password: @@\n  jwt:\n    secret: '@@'\n",
        make.password,
        make.key,
    )
    one("docker/old.Dockerfile", "FROM x\nENV DB_PASSWORD @@\n", make.password)
    one("sh/run.sh", "export DB_PASS='@@'\nmysql -u a -p@@ b\n", make.password, make.password)
    one(
        "tf/vars.tf",
        'variable "db_password" {\n  default = "@@"\n}\n',
        make.password,
    )

    keyed("docs/ssh.txt", "Put this into a file:\n\n@@\n\nand call ssh.\n", "OPENSSH ")

    # One at every border between chunks, wherever those are.
    lines, secrets = [], []
    for number in range(400):
        secret = make.github() if number % 2 else make.key()
        secrets.append(secret)
        lines.append(
            f'def step_{number}(client):\n    client.token = "{secret}"\n    return {number}\n'
        )
    found.append(Planted("py/many.py", "\n".join(lines).encode(), secrets))
    return found


def sensitive(seed: int) -> list[Planted]:
    """Files that only their names give away: no rule finds what is in them."""
    make = Maker(seed)
    found = []
    for path in (
        ".env",
        "app/.env.production",
        "app/prod.env",
        "ssh/id_rsa",
        "tls/server.key",
        "tls/server.pem",
        ".netrc",
        ".aws/credentials",
        ".docker/config.json",
        "infra/terraform.tfstate",
        "infra/prod.tfvars",
        "conf/.htpasswd",
        "config/secrets.yml",
    ):
        word = "".join(make.random.choices(string.ascii_lowercase, k=14))
        found.append(Planted(path, f"it is {word} and nothing else\n".encode(), [word]))
    return found
