"""What README.md names is there: files, links, programs, functions."""

import re

CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
FILE = re.compile(r"(?:common|frontend|backend|tests|deploy)/[\w./-]*\w/?|\.ci/run")
FUNCTION = re.compile(r"([a-z]\w*_\w+)\(\)")


def check(tree):
    if "README.md" not in tree.files:
        return ["README.md: missing"]
    text = tree.text("README.md")
    folders = {f.rsplit("/", n)[0] for f in tree.files for n in range(1, f.count("/") + 1)}
    there = set(tree.files) | folders
    sources = "\n".join(tree.text(f) for f in tree.sources())
    problems = [f"README.md: link to {link}, which is not there"
                for link in LINK.findall(text) if link.rstrip("/") not in there]
    for code in CODE.findall(text):
        if FILE.fullmatch(code) and code.rstrip("/") not in there:
            problems.append(f"README.md: names {code}, which is not there")
        name = FUNCTION.fullmatch(code)
        if name and not re.search(rf"^(?:\w.*\s\*?)?{name[1]}\(", sources, re.MULTILINE):
            problems.append(f"README.md: names {code}, which no source defines")
    return problems


BAD = [
    ("missing", {"common/a.c": "int a;\n"}),
    ("deploy/gone", {"README.md": "[It](deploy/gone)\n"}),
    ("gone.c", {"README.md": "In `common/gone.c`.\n"}),
    ("link_gone", {"README.md": "Then `link_gone()`.\n",
                   "frontend/link.c": "int\nlink_add(void)\n{\n\tlink_gone();\n}\n"}),
]
GOOD = {"README.md": "`link_add()` of `frontend/link.c`, [all](frontend)\n",
        "frontend/link.c": "int\nlink_add(void)\n{\n}\n"}
