"""Whether what grit wrote is what docs/schema says: each document fits its schema, and has no member that the schema does not list."""

import copy
import json
import os
import sys
from functools import lru_cache
from pathlib import Path

try:
    import jsonschema
except ImportError:  # the distribution's Python has it (package python3-jsonschema)
    if sys.executable == "/usr/bin/python3":
        raise
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

SCHEMAS = Path(__file__).resolve().parent.parent / "docs/schema"


def close(schema, lines):
    """Readers pass over members they do not know, so the schemas let them pass; here none may be there that is not listed. A line's
    type has members of its own beside those that all lines have: only the whole line is closed."""
    if isinstance(schema, list):
        for one in schema:
            close(one, False)
        return
    if not isinstance(schema, dict):
        return
    for key, value in schema.items():
        if key == "$defs":
            for definition in value.values():
                close(definition, "allOf" in schema)
        elif key == "properties":
            for member in value.values():
                close(member, False)
        elif key not in ("if", "then"):
            close(value, False)
    if "properties" in schema and "additionalProperties" not in schema and not lines:
        schema["unevaluatedProperties"] = False


def schema_of(file):
    """The schema's name of "verdict.json" or "env/node1.json"; of one name, a document and its log have two."""
    return "environment" if file.startswith("env/") else "burnin_log" if file == "burnin.jsonl" else file.split(".")[0]


@lru_cache(maxsize=None)
def validator(name):
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    known = set(schema.get("$defs", ())) if "allOf" in schema else None
    strict = copy.deepcopy(schema)
    close(strict, False)
    return jsonschema.Draft202012Validator(strict), known


def problems_of(document, name):
    """What in the document is not as docs/schema/<name>.schema.json says; in words."""
    checker, types = validator(name)
    found = [f"{name}: at /{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in checker.iter_errors(document)]
    if types is not None and isinstance(document, dict) and document.get("type") not in types:
        found.append(f"{name}: the type {document.get('type')!r} is not listed")
    return found


def problems(directory):
    """The same of all files of a run directory, or a series', and of the trials in it."""
    found = []
    for file in sorted(Path(directory).rglob("*.json*")):
        name = schema_of(f"env/{file.name}" if file.parent.name == "env" else file.name)
        if file.suffix == ".jsonl":
            if file.parent.name == "journal":
                continue  # grit's own, and gone when the run is over
            documents = []
            for line in file.read_text().splitlines():
                try:
                    documents.append(json.loads(line))
                except ValueError:
                    pass  # torn by a kill: readers pass over it
            found += [f"{file.name}: {problem}" for problem in dict.fromkeys(p for one in documents for p in problems_of(one, name))]
        elif (SCHEMAS / f"{name}.schema.json").exists():
            found += [f"{file.parent.name}/{file.name}: {problem}" for problem in problems_of(json.loads(file.read_text()), name)]
    return found


def assert_documented(directory):
    found = problems(directory)
    assert not found, "not as docs/schema says:\n  " + "\n  ".join(found[:20])
