# SPDX-License-Identifier: BSD-2-Clause
"""The manual and the completion, held against what the programs take.

Needs: a build (BUILD), mandoc, bash.
"""

import os
import pathlib
import re
import subprocess

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", TREE / "build"))
MILLRACE = BUILD / "millrace"
BENCH = BUILD / "millrace-bench"
PAGES = TREE / "scripts/man"


def run(*command):
    """What it said, however it ended."""
    return subprocess.run(command, cwd=TREE, text=True, timeout=60, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.iterdir()))
def test_man_page(page):
    said = run("mandoc", "-Tlint", f"scripts/man/{page}")
    # What is installed on this machine is not the page's fault.
    wrong = [line for line in said.splitlines()
             if "referenced manual not found" not in line and "mandoc.db" not in line]
    assert not wrong


# ---- millrace.yaml(5): every field of every map

def tables():
    """Of the schema: {table: its fields}, macros of fields put in."""
    source = "".join(path.read_text() for path in
                     sorted((TREE / "user/config").glob("document*.c")))
    source = source.replace("\\\n", "\n")
    macros = {name: body for name, body in
              re.findall(r"^#define (\w+)(?:\(type\))?[ \t]*\n(.*?)\n(?=\n|#define)", source,
                         re.M | re.S) if ".name" in body}
    found = {}
    for table, body in re.findall(
            r"^static const struct schema_field (\w+)_fields\[\] = \{\n(.*?)^\};", source,
            re.M | re.S):
        for name, fields in macros.items():
            if re.search(rf"\b{name}\b", body):
                body += fields
        found[table] = re.findall(r'\.name = "(\w+)"', body)
    return found


def sections():
    """Of the page: {table: the fields that its section tells of}."""
    page = (PAGES / "millrace.yaml.5").read_text()
    found = {}
    for names, body in re.findall(r'^\.\\" fields: ([^\n]*)\n(.*?)(?=^\.\\" fields:|^\.Sh)', page,
                                  re.M | re.S):
        said = set(re.findall(r"\b(\w+)\b", " ".join(
            re.findall(r"^\.(?:It )?Cm (.*)$", body, re.M))))
        found |= {name: said for name in names.split()}
    return found


def test_every_field_is_in_the_manual():
    schema, manual = tables(), sections()
    assert {"document", "listener", "guard", "validation"} <= set(schema)
    assert {"min_version", "alpn"} < set(schema["listener_tls"])
    assert set(schema) == set(manual)
    for table, fields in schema.items():
        assert fields and set(fields) <= manual[table], (table, set(fields) - manual[table])


# ---- millrace(8), millrace-bench(1), and what bash completes

def commands():
    """{command: its options}, as help tells them."""
    lines = re.findall(r"^  millrace ([a-z]+)(.*)$", run(MILLRACE, "help"), re.M)
    return {name: set(re.findall(r"(?<![\w-])--?[a-z-]+", rest)) for name, rest in lines}


def test_help_knows_every_option():
    """What a command says that was called wrongly is no more than help does."""
    for command, options in commands().items():
        said = run(MILLRACE, command, "--wrong")
        usage = said[said.index("usage:"):]
        assert set(re.findall(r"(?<=[\s|\[])--?[a-z-]+", usage)) == options, command


def test_every_command_has_its_page():
    page = (PAGES / "millrace.8").read_text()
    for command, options in commands().items():
        entry = re.search(rf"^\.It Cm {command}\b(.*?)(?=^\.It Cm|^\.Sh)", page, re.M | re.S)
        assert entry, command
        flags = set(re.findall(r"\bFl (-?[a-z-]+)", entry[1]))
        assert options == {f"-{flag}" for flag in flags}, command


def test_every_option_of_the_bench_has_its_entry():
    page = (PAGES / "millrace-bench.1").read_text()
    said = run(BENCH, "--help")
    options = set(re.findall(r"^  --[a-z0-9-]+|, --[a-z-]+", said, re.M))
    told = set(re.findall(r"Fl -([a-z-]+)", "\n".join(re.findall(r"^\.It .*$", page, re.M))))
    assert {option.split("--")[1] for option in options} | {"help"} == told
    for word in re.findall(r"^  ([a-z]+) ", said, re.M):
        assert re.search(rf"^\.It Cm {word}\b", page, re.M), word


def complete(program, *words):
    """What bash would offer for the last word."""
    name = pathlib.Path(program).name
    script = f"""
source scripts/completion/{name}
COMP_WORDS=({' '.join(repr(str(word)) for word in (program, *words))})
COMP_CWORD={len(words)}
compopt() {{ :; }}
_{name.replace('-', '_')}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    return run("bash", "-c", script).split()


def test_completion():
    known = commands()
    assert set(complete(MILLRACE, "")) == {"help", *known}
    assert complete(MILLRACE, "che") == ["check"]
    for command, options in known.items():
        assert set(complete(MILLRACE, command, "-")) == options
    assert complete(MILLRACE, "check", "-c", "scripts/millrace.y") == ["scripts/millrace.yaml"]
    assert complete(MILLRACE, "import", "") == ["appmesh"]


def test_completion_of_the_bench():
    assert {"bulk", "idle", "origin"} <= set(complete(BENCH, ""))
    said = run(BENCH, "--help")
    options = set(re.findall(r"--[a-z-]+", "\n".join(re.findall(r"^  --.*$", said, re.M))))
    assert set(complete(BENCH, "-")) == options
    assert complete(BENCH, "--ca", "scripts/millrace.y") == ["scripts/millrace.yaml"]
