"""No command lets a terminal obey what came from outside: each is run in one, on poisoned rows."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import click
import pytest

from audiosearch.cli.main import audiosearch as commands
from audiosearch.errors import display_text
from tests.e2e.command import Command
from tests.sounds import noise, write_audio

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no pty")

# A title, a colour that no command uses, C1's way to begin a sequence, a bell, text turned round,
# letters without width, a carriage return that hides what stands before it.
POISON = "\x1b]0;TITLE\x07a\x1b[35;7mb\x9b35mc\x9d0;T\x9cd\u202ee\u2066f\u200bg\ufeffh\ri\x7fj\x08"
OBEYED = [
    each.encode()
    for each in ("\x1b]0", "\x07", "\x1b[35", "\x9b", "\x9d", "\u202e", "\u2066", "\u200b")
] + [b"\xef\xbb\xbf", b"a\x1b", b"h\ri", b"\x7f", b"\x08", b"\x9b35m"]

# Runs commands one after the other, each in a terminal of its own; imports are paid for once.
IN_TERMINALS = """
import base64, json, os, pty, sys
from audiosearch.cli.main import run
import audiosearch.cli.find, audiosearch.library, audiosearch.cli.index, audiosearch.cli.doctor
answers = []
for arguments in json.loads(sys.argv[1]):
    child, terminal = pty.fork()
    if child == 0:
        status = 99
        try:
            status = run(arguments)
        finally:
            sys.stdout.flush()
            os._exit(status)
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(terminal)
    answers.append([status, base64.b64encode(b"".join(parts)).decode()])
print(json.dumps(answers))
"""


def poisoned(own: Command, folder: Path) -> Command:
    """The library and a bundle of the command's, with poison in every text."""
    bundle = folder / "evil"
    shutil.copytree(own.bundle, bundle)
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["description"] = POISON
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    with closing(sqlite3.connect(own.data_dir / "library.sqlite3")) as connection, connection:
        connection.execute("UPDATE caption SET text = ? || ' ' || id || text", (POISON,))
        connection.execute(
            "UPDATE sound_file SET metadata_json = ?, remark = ?",
            (json.dumps({POISON: [POISON], "title": [POISON]}), POISON),
        )
        connection.execute("UPDATE sound_file SET error_text = ? WHERE state = 'failed'", (POISON,))
        connection.execute("UPDATE recording SET codec = ?, container = ?", (POISON, POISON))
        connection.execute("UPDATE bundle SET name = ? || id", (POISON,))
    return replace(own, bundle=str(bundle))


def asked(clip: str, evil: str, folder: str) -> list[list[str]]:
    """Each command, with poison in its arguments and in what it shows."""
    return [
        ["index", folder],
        ["index", POISON],
        ["find", f"tone {POISON}", "--min-score", "0", "-v"],
        ["find", "tone", "--min-score", "0", "--explain"],
        ["find", "tone", "--min-score", "0", "--json"],
        ["find", "tone", "--min-score", "0", "--paths"],
        ["similar", clip],
        ["similar", POISON],
        ["files"],
        ["files", POISON],
        ["files", "--json"],
        ["files", "--paths"],
        ["info", clip],
        ["info", clip, "--json"],
        ["info", evil],
        ["describe", clip],
        ["describe", clip, "--csv"],
        ["label", clip, "--labels", f"dog,{POISON}"],
        ["tag", "add", POISON, clip],
        ["tag", "add", "evil", clip],
        ["tag", "list"],
        ["tag", "show", POISON],
        ["tag", "remove", POISON, clip],
        ["rate", "5", clip, POISON],
        ["favourite", clip, POISON],
        ["note", POISON, clip],
        ["annotations"],
        ["migrate-store", POISON],
        ["annotations", "--json"],
        ["collection", "create", POISON],
        ["collection", "add", POISON, clip],
        ["collection", "list"],
        ["collection", "show", POISON],
        ["collection", "share", POISON],
        ["collection", "rename", POISON, f"x{POISON}"],
        ["collection", "delete", f"x{POISON}"],
        ["search", "save", POISON, POISON],
        ["search", "list"],
        ["search", "run", POISON],
        ["search", "delete", POISON],
        ["duplicates"],
        ["backup", f"{folder}/backup{POISON}.jsonl"],
        ["restore", f"{folder}/backup{POISON}.jsonl"],
        ["export", "csv", "tone"],
        ["export", "jsonl", "tone", "--to", f"{folder}/rows{POISON}.jsonl"],
        ["status"],
        ["failed"],
        ["watch", POISON],
        ["serve", POISON],
        ["mcp", POISON],
        ["service", "status"],
        ["roots", "list"],
        ["roots", "add", POISON],
        ["captions", "list"],
        ["captions", "list", "--places"],
        ["captions", "add", POISON],
        ["captions", "search", "tone"],
        ["captions", "imports"],
        ["captions", "remove", POISON],
        ["models", "list"],
        ["models", "info"],
        ["models", "verify"],
        ["models", "use", POISON],
        ["config", "show"],
        ["config", "path"],
        ["verify"],
        ["doctor"],
        ["evaluate", "queries", POISON],
        ["purge", "--dry-run"],
        ["completion", "bash"],
        [POISON],
    ]


def test_no_command_lets_a_terminal_obey_what_came_from_outside(
    own: Command, tmp_path: Path
) -> None:
    folder = tmp_path / f"sounds {POISON}"
    folder.mkdir()
    evil = write_audio(folder / f"new{POISON}.wav", noise(seconds=1.0, seed=3))
    assert own("index", folder).status == 0
    command = poisoned(own, tmp_path)
    runs = asked(str(evil), str(evil), str(folder))
    with click.Context(commands) as context:
        assert {each[0] for each in runs} >= set(commands.list_commands(context))
    done = subprocess.run(
        [sys.executable, "-c", IN_TERMINALS, json.dumps(runs)],
        env=command.environment() | {"TERM": "xterm-256color", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
        timeout=280,
    )
    n_shown, all_shown = 0, b""
    for arguments, (status, encoded) in zip(runs, json.loads(done.stdout), strict=True):
        shown = base64.b64decode(encoded)
        assert status in (0, 1, 2), (arguments, status, shown)
        assert b"Traceback" not in shown, (arguments, shown)
        assert [each for each in OBEYED if each in shown] == [], (arguments, shown)
        n_shown += b"35;7mb" in shown
        all_shown += shown
    assert n_shown > 25  # the poison was there to be shown, and was shown escaped
    assert b"\x1b[1m" in all_shown  # styles and links of the program's own are there
    assert b"\x1b]8;;file://" in all_shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("caf\u00e9 \u6f22\u5b57", "caf\u00e9 \u6f22\u5b57"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("pay\u200dpal", "pay\\u200dpal"),
        ("two\nlines", "two\\nlines"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("\udcff", "\\udcff"),
    ],
)
def test_text_of_anybody_is_shown_so(text: str, shown: str) -> None:
    assert display_text(text) == shown
    display_text(text).encode()
