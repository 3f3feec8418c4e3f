"""What mkdocs.yml adds to docs/ when the handbook is built: pages that are made from the tree, and links that lead out of docs/.

A page that has a source elsewhere (README.md, a role's specification, a module's documentation) is made anew at each build, so
none of them can be stale.
"""

from __future__ import annotations

import pathlib
import posixpath
import typing as t

import links
import reference
from mkdocs.structure.files import File, Files

ROOT = pathlib.Path(__file__).resolve().parents[2]


def on_files(files: Files, config: t.Any) -> Files:
    """Add the pages that are made."""
    made = {page: (ROOT / source).read_text() for source, page in links.PAGES.items()}
    made.update({f"roles/{path.name}.md": reference.role(path) for path in reference.roles(ROOT)})
    made["reference/variables.md"] = reference.variables(ROOT)
    made["reference/roles.md"] = reference.role_index(ROOT)
    documented = reference.documented(ROOT)
    made["reference/plugins.md"] = reference.plugin_index(documented)
    made.update({f"plugins/{kind}/{name}.md": reference.plugin(kind, name, doc) for kind, name, doc in documented})
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: t.Any, config: t.Any, files: Files) -> str:
    """Lead links of docs/, written for the tree, to where the same thing is in the handbook."""
    here = page.file.src_uri
    source = links.source_of(here)
    text, wanted = links.rewritten(markdown, source, posixpath.dirname(here), ROOT)
    for path in wanted:
        uri = links.FOLDER + path
        if files.get_file_from_path(uri) is None:
            files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
    return text
