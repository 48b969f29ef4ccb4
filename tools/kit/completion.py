# SPDX-License-Identifier: Apache-2.0
"""Completion for bash and zsh, made from what the command says of itself: its help is printed from the tables that it reads
its options by."""
import re

COMMAND = re.compile(r"^  (?:key )?(\w+) +(?:[A-Z]+ +)?(\S.*)$")
OPTION = re.compile(r"^  (-\w)?,? +(?:--([\w-]+))?(?: ([A-Z,]+))?  +(\S.*)$")
FILES = {"FILE", "KEYRING"}


def section(text):
    """The indented lines behind the usage: up to the text that follows them."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("  "))
    last = next((i for i in range(first, len(lines)) if not lines[i].startswith("  ")), len(lines))
    return lines[first:last]


def commands(text):
    """[(name, what it does)]"""
    return [COMMAND.match(line).groups() for line in section(text) if COMMAND.match(line)]


def options(text):
    """[(short or None, long or None, value or None, what it does)]"""
    return [match.groups() for match in map(OPTION.match, section(text)) if match]


def read(ask):
    """{"get": options, "key new": options, ...} and [(name, what it does)] of commands and of those of `key`. `ask` gives
    what the command prints."""
    top, keys = commands(ask("--help")), commands(ask("key", "--help"))
    table = {name: options(ask(name, "--help")) for name, _ in top if name != "key"}
    table.update({f"key {name}": options(ask("key", name, "--help")) for name, _ in keys})
    return top, keys, table


def words(rows):
    return " ".join(word for short, long, _, _ in rows for word in (short, long and "--" + long) if word)


def with_value(rows, wanted):
    """Options whose value is of that kind, as a pattern of a case."""
    names = [w for short, long, value, _ in rows if value and (value in FILES) == wanted
             for w in (short, long and "--" + long) if w]
    return "|".join(names)


def bash(ask):
    top, keys, table = read(ask)
    lines = ["# SPDX-License-Identifier: Apache-2.0",
             "# Completion of coapsule for bash. Generated from the tables of the command: tools/generate --write",
             "_coapsule() {",
             '    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}',
             "    local options='' files='' values=''",
             "    COMPREPLY=()",
             "    if [ \"$COMP_CWORD\" = 1 ]; then",
             f"        COMPREPLY=($(compgen -W '{' '.join(n for n, _ in top)} help --help --version' -- \"$cur\"))",
             "        return",
             "    fi",
             "    if [ \"$command\" = help ]; then",
             f"        COMPREPLY=($(compgen -W '{' '.join(n for n, _ in top)} events' -- \"$cur\"))",
             "        return",
             "    fi",
             "    if [ \"$command\" = key ]; then",
             "        if [ \"$COMP_CWORD\" = 2 ]; then",
             f"            COMPREPLY=($(compgen -W '{' '.join(n for n, _ in keys)} --help' -- \"$cur\"))",
             "            return",
             "        fi",
             "        command=\"key ${COMP_WORDS[2]}\"",
             "    fi",
             "    case $command in"]
    for name, rows in table.items():
        lines.append(f"    '{name}') options='{words(rows)}' files='{with_value(rows, True)}' values='{with_value(rows, False)}' ;;")
    lines += ["    esac",
              "    case \"|$values|\" in *\"|$prev|\"*) return ;; esac",
              "    case \"|$files|\" in *\"|$prev|\"*) COMPREPLY=($(compgen -f -- \"$cur\")); return ;; esac",
              "    case $cur in",
              "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;",
              "    *) case $command in",
              "        'key show' | 'key remove')",
              "            COMPREPLY=($(compgen -W \"$(coapsule key list 2>/dev/null | awk 'NR > 1 { print $1 }')\" -- \"$cur\")) ;;",
              "        serve | proxy | 'key import') COMPREPLY=($(compgen -f -- \"$cur\")) ;;",
              "        esac ;;",
              "    esac",
              "}",
              "complete -o filenames -F _coapsule coapsule"]
    return "\n".join(lines) + "\n"


def quoted(text):
    return text.replace("'", "'\\''").replace("[", "(").replace("]", ")").replace(":", "\\:")


def zsh_options(rows):
    """Specifications for _arguments."""
    for short, long, value, text in rows:
        action = "" if not value else f":{value}:" + ("_files" if value in FILES else "")
        for word in (short, long and "--" + long):
            if word:
                yield f"'{word}[{quoted(text)}]{action}'"


def zsh(ask):
    top, keys, table = read(ask)
    lines = ["#compdef coapsule",
             "# SPDX-License-Identifier: Apache-2.0",
             "# Completion of coapsule for zsh. Generated from the tables of the command: tools/generate --write",
             "_coapsule() {",
             "    local -a commands keys",
             "    commands=(" + " ".join(f"'{n}:{quoted(text)}'" for n, text in top) + " 'help:more about a command')",
             "    keys=(" + " ".join(f"'{n}:{quoted(text)}'" for n, text in keys) + ")",
             "    if (( CURRENT == 2 )); then",
             "        _describe command commands",
             "        return",
             "    fi",
             "    local command=$words[2]",
             "    if [[ $command == key ]]; then",
             "        if (( CURRENT == 3 )); then",
             "            _describe command keys",
             "            return",
             "        fi",
             "        command=\"key $words[3]\"",
             "        words[2,3]=(\"$command\")",
             "        (( CURRENT-- ))",
             "    fi",
             "    words[1,2]=(\"coapsule\")",
             "    (( CURRENT-- ))",
             "    case $command in"]
    for name, rows in table.items():
        rest = "'*:FILE:_files'" if name in ("serve", "proxy", "key import") else "'*:'"
        lines.append(f"    '{name}') _arguments -s " + " ".join(zsh_options(rows)) + f" {rest} ;;")
    return "\n".join(lines + ["    esac", "}", "_coapsule \"$@\""]) + "\n"
