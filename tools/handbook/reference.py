"""The pages that are made from what roles, modules and plugins say of themselves."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
import typing as t
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import yaml

NAMESPACE = "sophia.replatform."
#: What ansible-doc is asked for, and the folders below plugins/.
KINDS = {"module": "modules", "filter": "filter", "lookup": "lookup"}
Documented = tuple[str, str, dict[str, t.Any]]


def _role_readme() -> t.Any:
    """tools/role_readme as a module: the roles' tables are the same here as in their READMEs."""
    path = pathlib.Path(__file__).resolve().parents[1] / "role_readme"
    loader = SourceFileLoader("role_readme", str(path))
    spec = spec_from_loader("role_readme", loader)
    assert spec
    module = module_from_spec(spec)
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = written
    return module


_made = _role_readme()


def roles(root: pathlib.Path) -> list[pathlib.Path]:
    """The folders of the roles."""
    return sorted(path.parent.parent for path in root.glob("roles/*/meta/argument_specs.yml"))


def role(folder: pathlib.Path) -> str:
    """A role's page."""
    return str(_made.readme(folder))


def role_index(root: pathlib.Path) -> str:
    """All roles, a line each."""
    lines = ["# Roles", "", "| role | what it does |", "|---|---|"]
    for folder in roles(root):
        main = next(iter(sorted(_specs(folder).items(), key=lambda item: item[0] != "main")))[1]
        lines.append(f"| [`{folder.name}`](../roles/{folder.name}.md) | {_sentence(main['short_description'])} |")
    return "\n".join(lines) + "\n"


def variables(root: pathlib.Path) -> str:
    """Every variable of every role, those that an inventory has to give first; each once, whatever entry points take it."""
    lines = [
        "# Variables of the roles",
        "",
        "Made from the roles' `meta/argument_specs.yml`. What is **required** has no default: the inventory gives it. What connects",
        "the roles, and the groups of hosts, is in [the inventory](../inventory.md).",
    ]
    for folder in roles(root):
        options: dict[str, t.Any] = {}
        for spec in _specs(folder).values():
            for name, option in (spec.get("options") or {}).items():
                options.setdefault(name, option)
        if not options:
            continue
        defaults = folder / "defaults/main.yml"
        known = yaml.safe_load(defaults.read_text()) or {} if defaults.exists() else {}
        ordered = dict(sorted(options.items(), key=lambda item: not item[1].get("required", False)))
        lines += ["", f"## {folder.name}", "", f"[The role](../roles/{folder.name}.md)", ""]
        lines += _table(_made.rows(ordered, known))
    return "\n".join(lines) + "\n"


def documented(root: pathlib.Path) -> list[Documented]:
    """Kind, name and documentation of each module and plugin, as ansible-doc gives it."""
    found: list[Documented] = []
    for kind, folder in KINDS.items():
        names = sorted(path.stem for path in (root / "plugins" / folder).iterdir() if _documents(path))
        command = ["ansible-doc", "--json", "--type", kind, *(NAMESPACE + name for name in names)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        docs = json.loads(done.stdout) if done.returncode == 0 else {}
        missing = [name for name in names if NAMESPACE + name not in docs]
        if missing:
            raise ValueError(f"ansible-doc knows nothing of {kind} {', '.join(missing)}: {done.stderr.strip()}")
        found += [(kind, name, docs[NAMESPACE + name]) for name in names]
    return found


def _documents(path: pathlib.Path) -> bool:
    """Whether a file documents a plugin of its name: a file in YAML does, and a file in Python may."""
    return path.suffix == ".yml" or (path.suffix == ".py" and "DOCUMENTATION = " in path.read_text())


def plugin_index(found: t.Sequence[Documented]) -> str:
    """All modules and plugins, a line each."""
    lines = ["# Modules and plugins", "", "`ansible-doc` shows the same, by the full name: `sophia.replatform.NAME`."]
    for kind in KINDS:
        lines += ["", f"## {kind.capitalize()}s", "", "| name | what it does |", "|---|---|"]
        for its, name, doc in found:
            if its == kind:
                text = _sentence(doc["doc"]["short_description"]).replace("|", "\\|")
                lines.append(f"| [`{name}`](../plugins/{kind}/{name}.md) | {text} |")
    return "\n".join(lines) + "\n"


def plugin(kind: str, name: str, said: dict[str, t.Any]) -> str:
    """The page of one module or plugin."""
    doc = said["doc"]
    lines = [f"# {NAMESPACE}{name}", "", f"A {kind}. {_sentence(doc['short_description'])}"]
    for paragraph in _paragraphs(doc.get("description")):
        lines += ["", paragraph]
    if doc.get("options"):
        lines += ["", "## Options", "", *_table(_made.rows(_plain(doc["options"]), {}))]
    if doc.get("attributes"):
        lines += ["", "## What it can", "", "| attribute | support | meaning |", "|---|---|---|"]
        for key, value in doc["attributes"].items():
            lines.append(
                f"| `{key}` | {value['support']} | {_sentence(' '.join(_paragraphs(value.get('description'))))} |"
            )
    for note in _paragraphs(doc.get("notes")):
        lines += ["", f"Note: {note}"]
    if said.get("examples"):
        lines += ["", "## Examples", "", "```yaml", said["examples"].strip(), "```"]
    if said.get("return"):
        lines += ["", "## What it returns", "", "| key | type | meaning |", "|---|---|---|"]
        lines += list(_returned(said["return"]))
    return "\n".join(lines) + "\n"


def _returned(keys: t.Mapping[str, t.Any], prefix: str = "") -> t.Iterator[str]:
    for key, value in keys.items():
        kind = value.get("type", "")
        if value.get("elements"):
            kind += f" of {value['elements']}"
        text = " ".join(_sentence(part) for part in _paragraphs(value.get("description")))
        yield f"| `{prefix}{key}` | {kind} | {_made.cell(text)} |"
        inner = f"{prefix}{key}[]." if value.get("type") == "list" else f"{prefix}{key}."
        yield from _returned(value.get("contains") or {}, inner)


def _specs(folder: pathlib.Path) -> dict[str, t.Any]:
    return t.cast(
        "dict[str, t.Any]", yaml.safe_load((folder / "meta/argument_specs.yml").read_text())["argument_specs"]
    )


def _table(rows: t.Iterable[t.Mapping[str, str]]) -> list[str]:
    lines = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    return lines + [f"| `{row['name']}` | {row['type']} | {row['default']} | {row['meaning']} |" for row in rows]


def _plain(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Options with the suboptions where the roles' specifications have them, and markup that the roles do not use as they would write it."""
    return {
        name: {
            **option,
            "description": [_marked(text) for text in _listed(option.get("description"))],
            "options": _plain(option.get("suboptions") or {}),
        }
        for name, option in options.items()
    }


def _marked(text: str) -> str:
    """Return values and links in the markup that tools/role_readme knows."""
    text = re.sub(r"\bRV\(", "V(", text)
    return re.sub(r"\bL\(([^,)]+),\s*([^)]+)\)", r"[\1](\2)", re.sub(r"\bU\(([^)]+)\)", r"<\1>", text))


def _listed(text: str | t.Sequence[str] | None) -> list[str]:
    return [text] if isinstance(text, str) else list(text or [])


def _paragraphs(text: str | t.Sequence[str] | None) -> list[str]:
    return [_made.plain(_marked(part)) for part in _listed(text)]


def _sentence(text: str) -> str:
    return str(_made.sentence(_marked(text)))
