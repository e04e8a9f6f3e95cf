"""Includes run the right way, and each foreign library has its one home."""

import re

# A folder, and what its files may include; the first that matches decides.
LAYERS = [
    ("tests/", ("",)),
    ("common/", ("common/",)),
    ("frontend/socketmap/", ("frontend/socketmap/", "common/slice.h", "common/buffer.h",
                             "common/watch.h")),
    ("frontend/", ("frontend/", "common/")),
    ("backend/", ("backend/", "common/")),
]

# A library's headers, and the only files that may include them.
HOMES = [
    (r"nng/", r"common/nngsock\w*\.[ch]"),
    (r"curl/", r"backend/http\w*\.[ch]"),
    (r"msgpack", r"common/rpc\w*\.[ch]"),
    (r"microhttpd\.h", r"common/ops\w*\.[ch]"),
    (r"mbedtls/", r"common/(rpctls|hmac)\.c"),
    (r"jansson\.h", r"backend/(userli_json|webhook)\.c|frontend/cli/json\.h"),
    (r"seccomp\.h", r"common/sandbox_calls\.c"),
    (r"linux/landlock\.h", r"common/sandbox_landlock\.c"),
    (r"resolv\.h|arpa/nameser", r"common/(dns|srv)\.c"),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def check(tree):
    problems = []
    for name in tree.sources():
        allowed = next((may for folder, may in LAYERS if name.startswith(folder)), ())
        for kind, header in INCLUDE.findall(tree.text(name)):
            if kind == '"' and not header.startswith(allowed):
                problems.append(f'{name}: includes "{header}", which its layer may not use')
            for library, home in HOMES:
                if (kind == "<" and re.match(library, header) and not name.startswith("tests/")
                        and not re.fullmatch(home, name)):
                    problems.append(f"{name}: includes <{header}>; only {home} may")
    return problems


BAD = [
    ("backend/b.h", {"frontend/a.c": '#include "backend/b.h"\n'}),
    ("frontend/b.h", {"backend/a.c": '#include "frontend/b.h"\n'}),
    ("common/a.h", {"common/a.h": '#include "backend/b.h"\n'}),
    ("common/log.h", {"frontend/socketmap/a.c": '#include "common/log.h"\n'}),
    ("router.h", {"frontend/socketmap/a.c": '#include "frontend/router.h"\n'}),
    ('"a.h"', {"backend/a.c": '#include "a.h"\n'}),
    ("<nng/nng.h>", {"frontend/link.c": "#include <nng/nng.h>\n"}),
    ("<curl/curl.h>", {"backend/userli.c": "#include <curl/curl.h>\n"}),
    ("<msgpack.h>", {"backend/worker.c": "# include <msgpack.h>\n"}),
    ("<jansson.h>", {"frontend/cli/main.c": "#include <jansson.h>\n"}),
    ("<mbedtls/ssl.h>", {"common/nngsock_tls.c": "#include <mbedtls/ssl.h>\n"}),
    ("<resolv.h>", {"frontend/discovery.c": "#include <resolv.h>\n"}),
    ("<seccomp.h>", {"common/service.c": "#include <seccomp.h>\n"}),
    ("<linux/landlock.h>", {"backend/cache_file.c": "#include <linux/landlock.h>\n"}),
    ("<microhttpd.h>", {"frontend/frontend.c": "#include <microhttpd.h>\n"}),
]
GOOD = {
    "frontend/a.c": '#include "frontend/socketmap/socketmap.h"\n#include "common/rpc.h"\n',
    "frontend/socketmap/a.c": '#include "common/slice.h"\n#include <uv.h>\n',
    "backend/http_pin.c": '#include <curl/curl.h>\n#include "backend/http.h"\n',
    "tests/unit/test_a.c": '#include "frontend/a.h"\n#include "backend/a.h"\n#include <nng/nng.h>\n',
}
