"""What the pages say that can be run: every command of README, CONTRIBUTING and docs/, one by one, with where it stands."""

from __future__ import annotations

import pathlib
import re
import shlex
import typing as t

from markdown_it import MarkdownIt

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: A block without a language may hold anything: a line of it is a command if it begins so.
_BEGINNINGS = re.compile(r"(ansible-playbook|replatform|make|tools/\S+|molecule) ")
_FOR = re.compile(r"for (\w+) in ([^;]*); do (.*); done")


class Command(t.NamedTuple):
    """One simple command; O(words) has neither assignments before it nor redirections."""

    page: str
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {shlex.join(self.words)}"


class Block(t.NamedTuple):
    page: str
    line: int
    language: str
    text: str


def blocks() -> list[Block]:
    """Every block of code."""
    return [
        Block(str(page.relative_to(ROOT)), token.map[0] + 1, token.info.strip(), token.content)
        for page in PAGES
        for token in MarkdownIt().enable("table").parse(page.read_text())
        if token.type in ("fence", "code_block") and token.map
    ]


def spans() -> list[tuple[str, int, str]]:
    """Every piece of code within a sentence: page, line, text."""
    return [
        (str(page.relative_to(ROOT)), (token.map or [0])[0] + 1, child.content)
        for page in PAGES
        for token in MarkdownIt().enable("table").parse(page.read_text())
        for child in token.children or ()
        if child.type == "code_inline"
    ]


def commands() -> list[Command]:
    """Every command: of the blocks, and those that stand within a sentence."""
    found = []
    for block in blocks():
        if block.language in ("", "console"):
            for offset, line in _typed(block):
                found += [Command(block.page, block.line + offset, words) for words in simple(line)]
    for page, number, text in spans():
        if re.match(r"(ansible-playbook|make|replatform) [a-z-]", text):
            found += [Command(page, number, words) for words in simple(text)]
    return found


def _typed(block: Block) -> t.Iterator[tuple[int, str]]:
    """The lines that a person types, those that go on in the next one joined."""
    lines = block.text.splitlines()
    prompted = any(line.startswith("$ ") for line in lines)
    index = 0
    while index < len(lines):
        start, line = index, lines[index]
        while line.endswith("\\") and index + 1 < len(lines):
            index += 1
            line = line[:-1] + lines[index]
        index += 1
        if prompted:
            if line.startswith("$ "):
                yield start + 1, line[2:]
        elif line.strip() and (block.language == "console" or _BEGINNINGS.match(line)):
            yield start + 1, line


def simple(line: str) -> list[tuple[str, ...]]:
    """The simple commands of a line of shell: loops unrolled, what is substituted first."""
    loop = _FOR.search(line)
    if loop:
        unrolled = [loop[3].replace(f"${loop[1]}", value) for value in loop[2].split()]
        return [words for each in unrolled for words in simple(each)]
    inner = re.findall(r"\$\(([^()]*)\)", line)
    line = re.sub(r"\$\([^()]*\)", "SUBSTITUTED", line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in lexer:
        if word in ("&&", "||", "|", ";"):
            found.append([])
        else:
            found[-1].append(word)
    return [words for text in inner for words in simple(text)] + [
        bare for bare in (_bare(words) for words in found) if bare
    ]


def _bare(words: list[str]) -> tuple[str, ...]:
    while words and re.match(r"[A-Za-z_]+=", words[0]):
        words = words[1:]
    return tuple(words[: next((n for n, word in enumerate(words) if word in (">", "<", ">>")), len(words))])
