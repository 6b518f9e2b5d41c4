"""Makes `rust/core/rules/betterleaks.rules` anew: `python3 tools/secret_rules.py [VERSION]`.

The rules are those of Betterleaks (MIT, the successor of gitleaks by its author). The crate
`kingfisher-rules` carries their source unchanged, with its revision, digest and licence, and comes
from crates.io by way of cargo. This keeps what finds secrets (expressions, keywords, entropy,
exceptions) and drops what asks providers whether a secret is valid. The core reads the result;
its form is described in `rust/core/rules/README.md`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

CRATE = "kingfisher-rules"
VERSION = "3.0.1"
RULES = Path(__file__).resolve().parent.parent / "rust" / "core" / "rules"

OWN = {
    # Written by hand in the core, without the upstream filters' programs (rust/core/src/secrets).
    "generic-api-key",
    "generic-credential-uri",
    "generic-password",
    "kubernetes-secret-yaml",
    "private-key",
    # All that is secret in one is its private key.
    "gcp-service-account",
    # Names and numbers of accounts.
    "generic-username",
    # A name of a file; those are in `secrets/names.rs`.
    "pkcs12-file",
}

SECRET_PARTS = {
    # Upstream reports these only together with another part; the secret is in them alone.
    "alibaba-sts-security-token",
    "aws-secret-access-key",
    "exoscale-api-secret",
    "ovh-consumer-key",
    "polymarket-api-secret",
    "polymarket-passphrase",
}

INSIDE = {
    # Every match holds a keyword, though the expression does not spell it out.
    "authress-service-client-access-key",
    "azure-ad-client-secret",
    "azure-storage-account-key",
    "box-api-access-token",
    "cloudflare-api-key.2",
    "facebook-page-access-token",
    "github-app-token",
    "harness-api-key",
    "jwt",
    "linkedin-client-id",
    "linkedin-client-secret",
    "lob-api-key",
    "lob-pub-api-key",
    "messagebird-api-token",
    "messagebird-client-id",
    "midtrans-production-server-client-key",
    "mongodb-connection-string",
    "onesignal-rich-authentication-token",
    "privateai-api-token",
    "slack-config-access-token",
    "slack-legacy-token",
    "slack-legacy-workspace-token",
    "slack-user-token",
    "snowflake-programmatic-access-token.1",
    "stripe-access-token",
    "wakatime-api-key.1",
    "woocommerce-consumer-secret.1",
}

LOOSE = {"curl-auth-user"}
"""Their exceptions would also hold for secrets that merely contain such a text."""

MORE = {
    # Forty characters are also the length of many names.
    "aws-secret-access-key": ["random", "needs [0-9]"],
}
"""What a rule needs where it stands without the others that upstream looks for beside it."""

SECRET = 'finding["secret"]'


def fetch(version: str) -> Path:
    """The crate as cargo downloads it."""
    subprocess.run(["cargo", "info", f"{CRATE}@{version}"], check=True, stdout=subprocess.DEVNULL)
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    found = sorted(home.glob(f"registry/cache/*/{CRATE}-{version}.crate"))
    if not found:
        sys.exit(f"cargo did not keep {CRATE} {version}")
    return found[0]


def sources(crate: Path) -> tuple[str, str, str]:
    """Revision, rules and licence of Betterleaks, checked against the crate's own digests."""
    with tarfile.open(crate) as archive:

        def read(name: str) -> bytes:
            member = archive.extractfile(f"{crate.stem}/generated/{name}")
            if member is None:
                sys.exit(f"{crate.name} has no {name}")
            return member.read()

        provenance = json.loads(read("provenance.json"))
        texts = json.loads(gzip.decompress(read("upstream-sources.json.gz")))
    revision = provenance["betterleaks"]["revision"]
    kept = []
    for path in ("config/betterleaks.toml", "LICENSE"):
        url = next(url for url in texts if f"betterleaks/{revision}/{path}" in url)
        text = texts[url]
        if hashlib.sha256(text.encode()).hexdigest() != provenance["source_sha256"][url]:
            sys.exit(f"{url} is not what the crate's own provenance says")
        kept.append(text)
    return revision, kept[0], kept[1]


def translated(expression: str) -> str:
    """An RE2 expression as Rust's `regex` reads it: braces and brackets that mean themselves."""
    out: list[str] = []
    at, in_class = 0, False
    while at < len(expression):
        char = expression[at]
        if char == "\\":
            out.append(expression[at : at + 2])
            at += 2
            continue
        if in_class:
            named = re.compile(r"\[:\^?[a-z]+:\]").match(expression, at)
            if named:
                out.append(named[0])
                at = named.end()
                continue
            if char == "[":
                char = "\\["
            in_class = char != "]"
        elif char == "[":
            in_class = True
            # A bracket right after the opening one (or its negation) means itself.
            lead = re.compile(r"\[\^?\]?").match(expression, at)
            assert lead is not None
            char = lead[0][:-1] + "\\]" if lead[0].endswith("]") else lead[0]
            at += len(lead[0]) - 1
        elif char == "{" and not re.compile(r"\{\d+(,\d*)?\}").match(expression, at):
            char = "\\{"
        out.append(char)
        at += 1
    return "".join(out)


def literals(text: str) -> list[str]:
    """The strings of a list in a filter."""
    found = re.findall(r'`([^`]*)`|"((?:[^"\\]|\\.)*)"', text)
    return [raw or cooked.replace("\\\\", "\\") for raw, cooked in found]


def conditions(filter_: str) -> list[str]:
    """The terms of a filter that is one disjunction; else nothing."""
    terms: list[str] = []
    depth, quote, start = 0, "", 0
    for at, char in enumerate(filter_):
        if quote:
            quote = "" if char == quote and filter_[at - 1] != "\\" else quote
        elif char in '`"':
            quote = char
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif depth == 0 and filter_.startswith("||", at):
            terms.append(filter_[start:at].strip())
            start = at + 2
    return [*terms, filter_[start:].strip()]


def filtered(rule: dict[str, Any]) -> list[str]:
    """The lines that say which findings of a rule are none."""
    lines = []
    for term in conditions(rule.get("filter", "")):
        number = re.search(r"(?:^|\|\| )entropy\(finding\[\"secret\"\]\) <=? ([\d.]+)$", term)
        if not term or term.startswith("matchesAny(attributes"):
            continue  # paths of other projects
        if number:
            lines.append(f"entropy {number[1]}")
        elif term.startswith(f"tokenRatio({SECRET}) >="):
            lines.append("random")
        elif term.startswith((f"matchesAny({SECRET}, [", f"containsAny({SECRET}, [")):
            for each in map(translated, literals(term.partition(", ")[2])):
                # No example key is worth a secret-looking text in this repository.
                if not re.fullmatch(r"AIza\S{30,}", each):
                    whole = rule["id"] in LOOSE
                    lines.append(f"except ^(?:{each})['\"]?$" if whole else f"except {each}")
        elif term.startswith(f"!matchesAny({SECRET}, ["):
            lines += [f"needs {translated(each)}" for each in literals(term.partition(", ")[2])]
        elif "findMatch" in term:
            lines.append("entropy 3.5")  # box-api-access-token: its context is a program
        else:
            sys.exit(f"{rule['id']}: a filter of a new kind: {term[:200]}")
    return lines


def converted(rules: list[dict[str, Any]]) -> list[str]:
    """The rules in the core's form."""
    lines: list[str] = []
    for rule in rules:
        name = rule["id"]
        if name in OWN or (rule.get("skipReport") and name not in SECRET_PARTS):
            continue
        lines += ["", f"rule {name}", f"keywords {' '.join(map(escaped, rule['keywords']))}"]
        if name not in INSIDE and not spelled_out(rule):
            lines.append("anywhere")
        if "path" in rule:
            lines.append(f"path {translated(rule['path'])}")
        if "valueGroup" in rule:
            lines.append(f"group {rule['valueGroup']}")
        lines.append(f"regex {translated(rule['regex'])}")
        lines += filtered(rule) + MORE.get(name, [])
    if any("\n" in line for line in lines):
        sys.exit("an expression holds a line break")
    return lines


def spelled_out(rule: dict[str, Any]) -> bool:
    """Whether the expression names every keyword; else a keyword may be far from the match."""
    plain = re.sub(r"\\(.)", r"\1", rule["regex"]).lower()
    return all(keyword.lower() in plain for keyword in rule["keywords"])


def escaped(keyword: str) -> str:
    """A keyword without spaces, which separate keywords."""
    return keyword.lower().replace(" ", "\\s")


def main() -> None:
    """Writes the rules and their licence."""
    version = sys.argv[1] if len(sys.argv) > 1 else VERSION
    revision, toml, licence = sources(fetch(version))
    config = tomllib.loads(toml)
    every = [
        f"except {translated(each)}"
        for term in conditions(config["filter"].strip().removeprefix("(").removesuffix(")"))
        for each in literals(term.partition(", ")[2])
    ]
    head = [
        "# Rules of Betterleaks, https://github.com/betterleaks/betterleaks, converted.",
        f"# Revision {revision},",
        f"# config/betterleaks.toml, as carried by the crate {CRATE} {version}.",
        "# Copyright (c) 2026 Zachary Rice, MIT licence: see LICENSE.betterleaks.",
        "# Made by tools/secret_rules.py; do not edit.",
        "",
        "every",
        *every,
    ]
    lines = [*head, *converted(config["rules"])]
    (RULES / "betterleaks.rules").write_text("\n".join(lines) + "\n")
    (RULES / "LICENSE.betterleaks").write_text(licence)
    count = sum(line.startswith("rule ") for line in lines)
    print(f"{count} of {len(config['rules'])} rules of {revision}")


if __name__ == "__main__":
    main()
