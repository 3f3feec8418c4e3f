"""Compare two renders object by object; what is a hook, as the pod of "helm test", is left out."""

from __future__ import annotations

import difflib
import sys

import yaml


def objects(text: str) -> dict[tuple[str, str, str], dict]:
    """Every object by its API version, kind and name; none may be there twice."""
    found: dict[tuple[str, str, str], dict] = {}
    for item in yaml.safe_load_all(text):
        if item is None or "helm.sh/hook" in item["metadata"].get("annotations", {}):
            continue
        key = (item["apiVersion"], item["kind"], item["metadata"]["name"])
        if key in found:
            raise ValueError(f"{' '.join(key)} is there twice")
        found[key] = item
    return found


def differences(first: str, second: str) -> list[str]:
    one, other = objects(first), objects(second)
    lines = [f"only in one: {' '.join(key)}" for key in sorted(one.keys() ^ other.keys())]
    for key in sorted(one.keys() & other.keys()):
        texts = [yaml.safe_dump(item[key]).splitlines() for item in (one, other)]
        lines += difflib.unified_diff(*texts, fromfile=" ".join(key), tofile="the other", lineterm="")
    return lines


if __name__ == "__main__":
    texts = []
    for path in sys.argv[1:3]:
        with open(path, encoding="utf-8") as handle:
            texts.append(handle.read())
    if found := differences(*texts):
        sys.exit("\n".join(found[:60]))
