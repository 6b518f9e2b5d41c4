"""The zoo: files that break what reads source. `python tests/zoo.py FOLDER` makes them.

Each is what some program choked on, or a limit of ours with a file at either side of it. Only
what `full` asks for is larger than a few megabytes.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Maker = tuple[bytes, "Callable[[], bytes]"]

LIMIT = 4 << 20
"""The default of `max_file_bytes`."""

DEPTH = 100_000

LANGUAGES = (
    ("py", b"#"),
    ("js", b"//"),
    ("ts", b"//"),
    ("tsx", b"//"),
    ("c", b"//"),
    ("cpp", b"//"),
    ("cs", b"//"),
    ("go", b"//"),
    ("java", b"//"),
    ("php", b"//"),
    ("rb", b"#"),
    ("rs", b"//"),
    ("sh", b"#"),
    ("md", b">"),
    ("json", b"//"),
    ("html", b"//"),
    ("yaml", b"#"),
)
"""An extension and what begins a comment."""

ORDINARY = {
    f"ordinary/{name}": content.encode()
    for name, content in {
        "retry.py": "import time\n\n\ndef retry(call, attempts):\n"
        '    """Again, and later each time."""\n'
        "    for attempt in range(attempts):\n        try:\n            return call()\n"
        "        except OSError:\n            time.sleep(2**attempt)\n",
        "app.js": "// Draws a table.\nfunction draw(users) {\n  return users.map(name);\n}\n",
        "lib.rs": "/// Parses a date.\npub fn parse(text: &str) -> Option<Date> {\n    None\n}\n",
        "guide.md": "# Guide\n\nHow to install.\n\n## Colours\n\nThemes.\n",
        "main.c": "#include <stdio.h>\n\nint main(void) {\n    return 0;\n}\n",
        "Shop.java": "class Shop {\n  int price() {\n    return 1;\n  }\n}\n",
        "naïve name.txt": "naïve café\n",
    }.items()
}
"""Files among the animals that must be indexed as if they were alone."""


def zoo(*, full: bool = False, small: int = 1) -> dict[bytes, Callable[[], bytes]]:
    """Every file by its path: what makes its content. With `full` also those of 100 MB.

    Where only its size makes a file odd it is `small` times smaller; the limit of a file's size
    is then `LIMIT // small`.
    """
    found = {
        path: make
        for makers in (nested, broken, sizes)
        for path, make in makers(lambda count: count // small)
    }
    found.update(made for makers in (encodings, lies, odd_text) for made in makers())
    if full:
        found[b"huge/one line.js"] = lambda: b"var x = " + b"1 + " * (25 << 20) + b"1;\n"
        found[b"huge/lines.log"] = lambda: b"2024-02-29 a line of a log\n" * (4 << 20)
    return found


def nested(many: Callable[[int], int]) -> Iterator[Maker]:
    """Brackets within brackets, as deep as parsers go and deeper."""
    for extension, _ in LANGUAGES:
        name = extension.encode()
        for bracket, content in {
            b"round": b"x = " + b"(" * many(DEPTH) + b")" * many(DEPTH) + b"\n",
            b"square": b"[" * many(DEPTH) + b"]" * many(DEPTH) + b"\n",
            b"curly": b"{" * many(DEPTH) + b"}" * many(DEPTH) + b"\n",
            b"angle": b"a<" * many(DEPTH) + b"\n",
            b"open only": b"f(" * many(DEPTH),
            b"lines of curly": b"{\n" * many(DEPTH) + b"}\n" * many(DEPTH),
            b"lines of round": b"f(\n" * many(DEPTH) + b")\n" * many(DEPTH),
            b"just below the bound": b"f(\n" * 2_990 + b")\n" * 2_990,
            b"calls": b"a." * many(50_000) + b"b()\n",
            b"calls on lines": b"a.\n" * many(50_000) + b"b()\n",
            b"operators": b"x = " + b"- " * many(DEPTH) + b"1\n",
            b"operators on lines": b"x = 1" + b" +\n1" * many(DEPTH) + b";\n",
            b"not on lines": b"x = " + b"!\n" * many(DEPTH) + b"1;\n",
        }.items():
            yield b"nested/" + bracket + b"." + name, lambda content=content: content  # type: ignore[misc]
    yield b"nested/objects.json", lambda: b'{"a":' * many(DEPTH) + b"1" + b"}" * many(DEPTH)
    yield (
        b"nested/objects.js",
        lambda: b"x = " + b"{ a: " * many(DEPTH) + b"1" + b" }" * many(DEPTH) + b";",
    )
    yield b"nested/object lines.js", lambda: b"x = " + b"{ a:\n" * 2_900 + b"1" + b" }\n" * 2_900
    yield b"nested/generic lines.java", lambda: b"a<\n" * many(DEPTH)
    yield b"nested/generic lines.cpp", lambda: b"a<\n" * many(DEPTH)
    yield b"nested/generic lines.ts", lambda: b"a<\n" * many(DEPTH)
    yield b"nested/if.c", lambda: b"#if A\n" * many(DEPTH) + b"#endif\n" * many(DEPTH)
    yield b"nested/if open.c", lambda: b"#if A\nint x;\n" * many(DEPTH)
    yield b"nested/ifdef.cpp", lambda: b"#ifdef A\nint f() {\n" * many(20_000)
    yield (
        b"nested/indent.py",
        lambda: b"".join(b" " * n + b"if x:\n" for n in range(500 + many(1_000))),
    )
    yield b"nested/else if.js", lambda: b"if (a) b; else " * many(20_000) + b"c;\n"
    yield b"nested/else if lines.js", lambda: b"if (a) b;\nelse\n" * many(50_000) + b"c;\n"
    yield b"nested/elif.py", lambda: b"if a:\n  b\n" + b"elif a:\n  b\n" * many(50_000)
    yield b"nested/ternary.js", lambda: b"x = " + b"a ?\nb : " * many(50_000) + b"c;\n"
    yield b"nested/lambda.py", lambda: b"x = " + b"lambda: \\\n" * many(20_000) + b"1\n"
    yield b"nested/list.md", lambda: b"".join(b"  " * n + b"- x\n" for n in range(300 + many(700)))
    yield b"nested/quote.md", lambda: b"> " * many(20_000) + b"x\n"
    yield b"nested/emphasis.md", lambda: b"*a **b " * many(30_000) + b"\n"
    yield b"nested/emphasis lines.md", lambda: b"*a **b _c\n" * many(50_000)
    yield b"nested/links.md", lambda: b"[a](" * many(50_000)
    yield b"nested/tags.html", lambda: b"<div>" * many(DEPTH)
    yield b"nested/tags.tsx", lambda: b"x = " + b"<a>\n" * many(50_000)
    yield b"nested/templates.js", lambda: b"`${\n" * many(50_000)
    yield b"nested/f strings.py", lambda: b'f"{\n' * many(50_000)
    yield b"nested/subshells.sh", lambda: b"$(\n" * many(50_000)
    yield b"nested/blocks.rb", lambda: b"do |x|\n" * many(50_000)
    yield b"nested/functions.js", lambda: b"function f() {\n" * 2_900 + b"}\n" * 2_900
    yield b"nested/classes.java", lambda: b"class A {\n" * 2_900 + b"}\n" * 2_900
    yield b"nested/modules.rs", lambda: b"mod a {\n" * 2_900 + b"}\n" * 2_900
    yield b"nested/types.rs", lambda: b"type A = " + b"Box<\n" * 2_900 + b">" * 2_900 + b";\n"
    yield b"nested/pointers.c", lambda: b"int " + b"*\n" * many(50_000) + b"x;\n"
    yield b"nested/arrays.go", lambda: b"package p\nvar x " + b"[]\n" * many(50_000) + b"int\n"


def broken(many: Callable[[int], int]) -> Iterator[Maker]:
    """Strings, comments and documents that nobody ends, and text that is no code at all."""
    tail = b"some words and more\n" * many(20_000)
    for extension, comment in LANGUAGES:
        name = extension.encode()
        for kind, content in {
            b"string": b'x = "' + tail,
            b"triple": b'x = """' + tail,
            b"tick": b"x = `" + tail,
            b"block comment": b"/* " + tail,
            b"quotes": b"\"'`\n" * many(30_000),
            b"comments": comment + b" words\n" + (comment + b"\n") * many(50_000),
            b"heredocs": b"cat <<A\n" * 3_000,
            b"heredocs of php": b"<?php\n" + b"$x = <<<A\n" * 3_000,
            b"noise": noise(many(200_000)),
            b"semicolons": b";\n" * many(100_000),
            b"commas": b"x,\n" * many(100_000),
            b"colons": b"x:\n" * many(60_000),
            b"errors": b"def class fn ( } ] if\n" * many(10_000),
            b"backslashes": b"\\\n" * many(100_000),
            b"at signs": b"@a\n" * many(50_000),
            b"numbers": b"0x1e+3.4.5_6\n" * many(20_000),
            b"one word": b"word\n" * many(200_000),
        }.items():
            yield b"broken/" + kind + b"." + name, lambda content=content: content  # type: ignore[misc]
    yield b"broken/quadratic.sh", lambda: b"".join(b"cat <<E%d\n" % n for n in range(many(3_000)))
    yield b"broken/heredocs.rb", lambda: b"".join(b"x = <<~E%d\n" % n for n in range(many(3_000)))
    yield b"broken/raw string.cpp", lambda: b'x = R"' + b"(" * 20 + tail
    yield b"broken/raw string.rs", lambda: b'x = r"' + b"#" * 1_000 + tail
    yield b"broken/php.php", lambda: b"<?php ?>\n" * many(50_000)
    yield b"broken/fences.md", lambda: b"```\n" * (2 * many(25_000) + 1)
    yield b"broken/table.md", lambda: b"|a|b|\n|-|-|\n" * many(20_000)
    yield b"broken/references.md", lambda: b"[a]: b\n" * many(50_000)
    yield b"broken/headings.md", lambda: b"# a\n" * many(50_000)
    yield b"broken/html.md", lambda: b"<a\n" * many(50_000)
    yield b"broken/regex.js", lambda: b"x = /(a+)+" * many(30_000)
    yield b"broken/macros.c", lambda: b"M(a)\n{\n" * many(20_000)
    yield b"broken/kr.c", lambda: b"int f(a)\nint a;\n" * many(20_000)
    conflict = b"<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> b\n"
    yield b"broken/conflict.py", lambda: conflict * many(9_000)


def encodings() -> Iterator[Maker]:
    """Bytes that are no UTF-8, or only just."""
    text = "def grüße():\n    return 'naïve café €'\n"
    for name, content in {
        "latin-1.py": text.replace("€", "").encode("latin-1"),
        "utf-8 bom.py": b"\xef\xbb\xbf" + text.encode(),
        "only bom.py": b"\xef\xbb\xbf",
        "utf-16 le bom.py": b"\xff\xfe" + text.encode("utf-16-le"),
        "utf-16 be bom.py": b"\xfe\xff" + text.encode("utf-16-be"),
        "utf-16 le.py": text.encode("utf-16-le"),
        "utf-16 odd.py": b"\xff\xfe" + text.encode("utf-16-le") + b"x",
        "utf-16 lone.py": b"\xff\xfe\x00\xd8a\0\x00\xdc",
        "only utf-16 bom.py": b"\xff\xfe",
        "utf-32.py": text.encode("utf-32"),
        "utf-32 be.py": text.encode("utf-32-be"),
        "overlong.py": b"x = '\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf'\n",
        "surrogates.py": b"x = '\xed\xa0\x80\xed\xb0\x80'\n",
        "beyond.py": b"x = '\xf4\x90\x80\x80\xf8\x88\x80\x80\x80'\n",
        "cut.py": "x = '€".encode()[:-1],
        "continuation.py": b"\x80" * 100_000,
        "shift-jis.py": "# 日本語\nx = 1\n".encode("shift_jis"),
        "ebcdic.txt": text.replace("€", "").encode("cp500"),
        "crlf.py": text.encode().replace(b"\n", b"\r\n"),
        "cr.py": text.encode().replace(b"\n", b"\r"),
        "mixed.py": b"a = 1\rb = 2\r\nc = 3\nd = 4\n\re = 5\r\n\r\n",
        "separators.py": "a = 1\u2028b = 2\u2029c = 3\x85d = 4\x0be = 5\x0cf = 6\n".encode(),
        "controls.txt": bytes(range(1, 32)) * 1_000,
        "escapes.txt": b"\x1b[31mred\x1b[0m\x07\x08\n" * 1_000,
        "all bytes.txt": bytes(range(1, 256)) * 100,
        "late nul.py": b"x = 1\n" * 5_000 + b"\0" * 100 + b"y = 2\n" * 100,
        "nul at 7999.txt": b"a" * 7_999 + b"\0",
        "nul at 8000.txt": b"a" * 8_000 + b"\0",
        "random.bin": random.Random(1).randbytes(100_000),
        "random.txt": bytes(random.Random(2).choices(range(1, 256), k=100_000)),
    }.items():
        yield b"encodings/" + name.encode(), lambda content=content: content  # type: ignore[misc]


def sizes(many: Callable[[int], int]) -> Iterator[Maker]:
    """Limits, from both sides, and shapes that no editor is happy with."""
    line = b"value = compute(first, second)\n"
    yield b"sizes/empty.py", lambda: b""
    yield b"sizes/newline.py", lambda: b"\n"
    yield b"sizes/spaces.py", lambda: b" \t" * many(50_000)
    yield b"sizes/no newline.py", lambda: b"x = 1"
    yield b"sizes/a million empty lines.py", lambda: b"\n" * many(1_000_000)
    yield b"sizes/a million empty lines.md", lambda: b"\n" * many(1_000_000)
    yield b"sizes/short lines.txt", lambda: b"a\n" * many(1_000_000)
    for name, size in {
        b"below": many(LIMIT) - 1,
        b"at": many(LIMIT),
        b"above": many(LIMIT) + 1,
    }.items():
        yield b"sizes/" + name + b" the limit.txt", lambda size=size: (line * (size // 30))[:size]  # type: ignore[misc]
    yield (
        b"sizes/one line.js",
        lambda: (b"var a=function(b){return b+1};" * many(140_000))[: many(LIMIT) - 9],
    )
    yield b"sizes/one line.json", lambda: b"[" + b'{"a":[1,2,3]},' * many(200_000) + b"1]"
    yield b"sizes/one word.txt", lambda: b"a" * (many(LIMIT) - 9)
    yield b"sizes/one camel.txt", lambda: b"camelCaseWord" * many(300_000)
    yield b"sizes/one snake.py", lambda: b"snake_case_" * many(300_000) + b" = 1\n"
    yield b"sizes/many terms.txt", lambda: b" ".join(b"term%d" % n for n in range(many(300_000)))
    yield b"sizes/a function.py", lambda: b"def f():\n" + b"    x = compute(y)\n" * many(50_000)
    yield (
        b"sizes/a function.c",
        lambda: b"int f(void)\n{\n" + b"    x = compute(y);\n" * many(50_000) + b"}\n",
    )
    yield b"sizes/a list.py", lambda: b"X = [\n" + b"    1, 2, 3,\n" * many(100_000) + b"]\n"
    yield (
        b"sizes/a switch.js",
        lambda: b"switch (x) {\n" + b"case 1: f();\n" * many(50_000) + b"}\n",
    )
    yield b"sizes/functions.py", lambda: b"def f(): pass\n" * many(50_000)
    yield b"sizes/functions.rs", lambda: b"fn f() {}\n" * many(50_000)
    yield b"sizes/table.sql", lambda: b"INSERT INTO t VALUES (1, 'a', NULL);\n" * many(80_000)
    yield b"sizes/table.csv", lambda: b"1,2,3,a b c\n" * many(300_000)
    yield b"sizes/minified.css", lambda: b".a{b:c;d:e}" * many(100_000)
    minified = b"!function(){" + b"a(1);" * 95 + b"}();\n"
    yield b"sizes/minified lines.js", lambda: minified * many(7_000)


def lies() -> Iterator[Maker]:
    """Names that tell of another content."""
    elf = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0>\0" + bytes(500)
    yield b"lies/elf.py", lambda: elf
    yield b"lies/gzip.txt", lambda: gzip.compress(b"text " * 1_000, mtime=0)
    yield b"lies/png.svg", lambda: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100)
    yield b"lies/pdf.md", lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< >>\nendobj\n" * 50
    yield b"lies/python.c", lambda: ORDINARY["ordinary/retry.py"]
    yield b"lies/c.py", lambda: ORDINARY["ordinary/main.c"]
    yield b"lies/script", lambda: b"#!/usr/bin/env python3\nprint(1)\n"
    yield b"lies/polyglot.py", lambda: b"#if 0\n'''\n#endif\nint main(){}\n/*\n'''\nx=1\n#*/\n"
    yield b"lies/polyglot.html", lambda: b"<?php /*<script>*/ ?><!-- ' \" ` --> #!/bin/sh\n"
    yield b"lies/shebang.txt", lambda: b"#!" + b"a" * 100_000 + b"\n"
    yield b"lies/modeline.txt", lambda: b"# vim: ft=python:\n# -*- coding: utf-7 -*-\nx = 1\n"
    yield b"lies/bomb.svg", lambda: b'<!DOCTYPE x [<!ENTITY a "&b;&b;">]><svg>&a;</svg>\n'


def odd_text() -> Iterator[Maker]:
    """Text that is fine and looks like none."""
    for name, content in {
        "right to left.py": "x = 'שלום \u202e abc \u2066 def'\n# עברית\n",
        "zero width.py": "a\u200bb = 1\nc\u200d\ufeffd = 2\n",
        "identifiers.py": "def größe_π(变量, ʼnx, ﬁ):\n    return 变量 + ﬁ\n",
        "emoji.js": "const x = '👩\u200d👩\u200d👧\u200d👦🏳️\u200d🌈';\n" * 1_000,
        "combining.txt": "a" + "\u0301" * 100_000 + "\n",
        "case.txt": "İıſKΩẞßﬀǅ ŉ\n" * 8_000,
        "math.txt": "𝒳 = 𝒴 ∑ ∫\n" * 10_000,
        "chinese.txt": "搜索引擎索引源代码" * 7_000 + "\n",
        "thai.txt": "การค้นหารหัสต้นฉบับ" * 3_000,
        "blank.txt": "\u3000\u00a0\u2003\n" * 1_000,
        "noncharacters.txt": "\ufffe\uffff\U0010ffff\ue000\n" * 1_000,
        "replacement.txt": "\ufffd" * 10_000,
    }.items():
        yield b"odd text/" + name.encode(), lambda content=content: content.encode()  # type: ignore[misc]


def noise(size: int) -> bytes:
    """Punctuation and words in no order, the same each time."""
    parts = [b"{", b"}", b"(", b")", b"[", b"]", b"<", b">", b";", b'"', b"'", b"`", b"\\", b"/*"]
    parts += [b"*/", b"//", b"#", b"\n", b"\n", b"\n", b" ", b" ", b"a", b"if", b"=", b"0", b"$"]
    parts += [b"class", b"def", b"fn", b"<<", b"@", b"%", b":", b",", b".", b"|", b"&", b"?", b"!"]
    return b"".join(random.Random(size).choices(parts, k=size))


ODD_NAMES = (
    b"a\nb.py",
    b"tab\t.py",
    b"\x1b[31m.py",
    b"\xff\xfe.py",
    b"caf\xe9.py",
    b"back\\slash.py",
    b"\\x41.py",
    b" .py",
    b"-rf.py",
    b"~.py",
    b"*.py",
    b"CON.py",
    b"n" * 252 + b".py",
    "ü".encode() * 126 + b".py",
    "\u202egnp.py".encode(),
)


def make(folder: Path, *, full: bool = False, small: int = 1) -> dict[bytes, bytes | None]:
    """Makes the zoo in `folder`, as `zoo` does.

    Returns the content of its files; `None` for what is no file.
    """
    found: dict[bytes, bytes | None] = {}

    def write(path: bytes, content: bytes) -> None:
        target = os.path.join(os.fsencode(folder), path)  # noqa: PTH118 - bytes
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        with open(target, "wb") as file:  # noqa: PTH123
            file.write(content)
        found[path] = content

    for ordinary, text in ORDINARY.items():
        write(ordinary.encode(), text)
    for path, maker in zoo(full=full, small=small).items():
        write(path, maker())
    for at, name in enumerate(ODD_NAMES):
        write(b"names/" + name, b"odd_name_%d = 1\n" % at)
    deep = b"deep/" + b"/".join([b"d" * 200] * 15)
    write(deep + b"/file.py", b"deep = 1\n")
    for stranger in strangers(folder):
        found[stranger] = None
    return found


def strangers(folder: Path) -> Iterator[bytes]:
    """Makes what is no file: links, a FIFO, a socket, and a device where that is allowed."""
    place = folder / "strangers"
    place.mkdir()
    for name, target in {
        "loop": "loop",
        "up": "..",
        "dangling": "nothing",
        "outside": "/etc/passwd",
        "to a file": "../ordinary/retry.py",
        "to a folder": "../ordinary",
    }.items():
        (place / name).symlink_to(target)
        yield f"strangers/{name}".encode()
    os.mkfifo(place / "fifo.py")
    yield b"strangers/fifo.py"
    here = Path.cwd()
    try:
        os.chdir(place)  # the whole path would be too long for a socket
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket.py")
        yield b"strangers/socket.py"
    finally:
        os.chdir(here)
    try:
        os.mknod(place / "null.py", 0o600 | 0o020000, os.makedev(1, 3))
        yield b"strangers/null.py"
    except PermissionError:
        pass


def main() -> None:
    """Makes the zoo in the folder named on the command line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true", help="also the files of 100 MB")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True)
    made = make(arguments.folder, full=arguments.full)
    size = sum(len(content or b"") for content in made.values())
    print(f"{len(made)} files, {size / 1e6:.0f} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
