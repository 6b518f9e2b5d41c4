"""Which kinds of secrets are found: three of each, made while the test runs, in lines of source.

A kind is the form that its service gives its secrets, written down from the services' own
documentation rather than from the rules. `<62:36>` stands for 36 random characters of an alphabet.
"""

from __future__ import annotations

import re

import pytest

from hybridx import _core
from planted import BASE32, BASE62, BASE64, HEX, URLSAFE, Maker

ALPHABETS = {
    "32": BASE32,
    "36": "abcdefghijklmnopqrstuvwxyz0123456789",
    "62": BASE62,
    "64": BASE64,
    "9": "0123456789",
    "hex": HEX,
    "up": "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "url": URLSAFE,
}

PLAIN = ('key = "@@"\n', "call('@@', 1);\n", "# the old one was @@\n")
"""Lines that say nothing of what is in them."""

UUID = "<hex:8>-<4>-<4>-<4>-<hex:12>"

BY_FORM = {
    "1password service account": "ops_eyJ<62:300>",
    "age": "AGE-SECRET-KEY-1<bech:58>",
    "airtable": "pat<62:14>.<hex:64>",
    "anthropic": "sk-ant-api03-<url:93>AA",
    "atlassian": "ATATT3<url:180>=<hexup:8>",
    "aws access key": "AKIA<32:16>",
    "aws temporary key": "ASIA<32:16>",
    "clojars": "CLOJARS_<36:60>",
    "databricks": "dapi<hex:32>",
    "digitalocean": "dop_v1_<hex:64>",
    "digitalocean refresh": "dor_v1_<hex:64>",
    "doppler": "dp.pt.<62:43>",
    "dropbox": "sl.<url:140>",
    "dynatrace": "dt0c01.<up:24>.<up:64>",
    "easypost": "EZAK<62:54>",
    "figma": "figd_<url:40>",
    "flyio": "fo1_<url:43>",
    "frameio": "fio-u-<url:64>",
    "github app": "ghs_<62:36>",
    "github fine-grained": "github_pat_<62:22>_<62:59>",
    "github oauth": "gho_<62:36>",
    "github personal": "ghp_<62:36>",
    "github refresh": "ghr_<62:36>",
    "gitlab deploy": "gldt-<url:20>",
    "gitlab personal": "glpat-<url:20>",
    "gitlab runner": "glrt-<url:20>",
    "google api": "AIza<url:35>",
    "grafana cloud": "glc_<64:80>",
    "grafana service account": "glsa_<62:32>_<hex:8>",
    "hashicorp terraform": "<62:14>.atlasv1.<url:66>",
    "hashicorp vault": "hvs.<url:95>",
    "huggingface": "hf_<alpha:34>",
    "jwt": "eyJ<62:33>.eyJ<62:60>.<url:43>",
    "linear": "lin_api_<62:40>",
    "mailgun": "key-<hex:32>",
    "mapbox": "sk.eyJ1<62:60>.<62:22>",
    "new relic": "NRAK-<up:27>",
    "notion": "ntn_<9:11><62:35>",
    "npm": "npm_<62:36>",
    "nuget": "oy2a<b32:15>a<b32:25>a",
    "openai project": "sk-proj-<url:74>T3BlbkFJ<url:74>",
    "perplexity": "pplx-<62:48>",
    "planetscale": "pscale_tkn_<url:43>",
    "postman": "PMAK-<hex:24>-<hex:34>",
    "prefect": "pnu_<36:36>",
    "pulumi": "pul-<hex:40>",
    "pypi": "pypi-AgEIcHlwaS5vcmc<url:90>",
    "readme": "rdme_<36:70>",
    "rubygems": "rubygems_<hex:48>",
    "sendgrid": "SG.<url:22>.<url:43>",
    "sentry user": "sntryu_<hex:64>",
    "shippo": "shippo_live_<hex:40>",
    "shopify": "shpat_<hex:32>",
    "slack app": "xapp-1-A<up:10>-<9:13>-<hex:64>",
    "slack bot": "xoxb-<9:12>-<9:12>-<62:24>",
    "slack user": "xoxp-<9:12>-<9:12>-<9:12>-<hex:32>",
    "slack webhook": "https://hooks.slack.com/services/T<up:9>/B<up:10>/<62:24>",
    "square": "EAAA<url:60>",
    "stripe live": "sk_live_<62:24>",
    "stripe restricted": "rk_live_<62:40>",
    "supabase": "sbp_<hex:40>",
    "tailscale": "tskey-auth-k<62:9>CNTRL-<62:32>",
    "telegram": "<9:9>:AA<url:33>",
    "twilio": "SK<hex:32>",
}

BY_NAME = {
    "aws secret key": ("AWS_SECRET_ACCESS_KEY=@@\n", "<64:40>"),
    "azure client secret": ('client_secret = "@@"\n', "<62:3>8Q~<62:34>"),
    "azure sas": ("u = 'https://a.blob.core.windows.net/c?sv=2023&sig=@@'\n", "<64:43>%3D"),
    "azure storage": ('c = "AccountName=a;AccountKey=@@"\n', "<64:86>=="),
    "basic auth": ("curl -H 'Authorization: Basic @@' u\n", "<64:32>"),
    "bearer": ("headers = {'Authorization': 'Bearer @@'}\n", "<62:40>"),
    "cloudflare": ('CLOUDFLARE_API_TOKEN = "@@"\n', "<url:40>"),
    "datadog": ('datadog_api_key = "@@"\n', "<hex:32>"),
    "discord": ('discord_token = "@@"\n', "M<62:23>.<62:6>.<url:27>"),
    "django": ("SECRET_KEY = '@@'\n", "<36:50>"),
    "facebook": ('facebook_app_secret = "@@"\n', "<hex:32>"),
    "heroku": ('HEROKU_API_KEY="@@"\n', UUID),
    "jdbc": ('getConnection("jdbc:x", "app", "@@");\n', "<62:12>!<9:9>"),
    "mongodb": ('"mongodb+srv://app:@@@c0.abcde.mongodb.net/x"\n', "<62:16>"),
    "mysql command": ("mysql -u root -p@@ app\n", "<62:12>!<9:9>"),
    "netrc": ("machine api.x.io login me password @@\n", "<62:16>"),
    "okta": ('okta_api_token = "@@"\n', "00<url:40>"),
    "password": ('db_password = "@@"\n', "<62:12>!<9:9>"),
    "password in a url": ('"postgres://app:@@@db.internal/app"\n', "<62:16>"),
    "rails": ("secret_key_base: @@\n", "<hex:128>"),
    "redis": ('"redis://:@@@cache:6379/0"\n', "<62:24>"),
    "sql": ("CREATE USER app WITH PASSWORD '@@';\n", "<62:12>!<9:9>"),
    "sql server": ('"Server=db;User Id=sa;Password=@@;"\n', "<62:12>!<9:9>"),
    "twitter": ('twitter_api_secret = "@@"\n', "<62:50>"),
}

SAMPLES = 3


def made(maker: Maker, form: str) -> str:
    """A secret of this form."""

    def part(found: re.Match[str]) -> str:
        alphabet, _, count = found[1].rpartition(":")
        if not alphabet:
            return maker.of(HEX, 8)[: int(count)]
        more = {
            "alpha": BASE62[:52],
            "b32": BASE32.lower(),
            "bech": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
            "hexup": HEX.upper(),
        }
        alphabet = (ALPHABETS | more)[alphabet]
        length = int(count)
        return maker.of(alphabet, max(length, 9))[:length]

    return re.sub(r"<([^>]*)>", part, form)


def planted() -> list[tuple[str, str, str]]:
    """`(kind, text, secret)` of every sample."""
    maker = Maker(2024)
    found = []
    for kind, form in BY_FORM.items():
        for template in PLAIN[:SAMPLES]:
            secret = made(maker, form)
            found.append((kind, template.replace("@@", secret, 1), secret))
    for kind, (template, form) in BY_NAME.items():
        for _ in range(SAMPLES):
            secret = made(maker, form)
            found.append((kind, template.replace("@@", secret, 1), secret))
    return found


def missed() -> dict[str, int]:
    """How many samples of each kind are left in their text, of the kinds that miss any."""
    left: dict[str, int] = {}
    for kind, text, secret in planted():
        redacted, _ = _core.redact("src/settings.py", f"import os\n\n{text}\n")
        if secret in redacted:
            left[kind] = left.get(kind, 0) + 1
    return left


def test_secrets_of_many_kinds_are_found() -> None:
    samples = planted()
    assert len(samples) >= 150
    assert len({kind for kind, _, _ in samples}) >= 60
    left = missed()
    assert sum(left.values()) <= len(samples) * 0.02, left


@pytest.mark.parametrize("path", ["src/a.ts", "conf/app.yml", "README.md", "Makefile"])
def test_where_a_token_stands_does_not_matter(path: str) -> None:
    maker, left = Maker(5), missed()
    for kind, form in BY_FORM.items():
        secret = made(maker, form)
        text = f"a: 1\nsome text and {secret} in it\nb: 2\n"
        redacted, found = _core.redact(path, text)
        if kind not in left:
            assert secret not in redacted, kind
            assert [line for line, _ in found] == [2], kind
            assert redacted.startswith("a: 1\n"), kind
            assert redacted.endswith("b: 2\n"), kind
