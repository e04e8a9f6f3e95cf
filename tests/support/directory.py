"""directory - what the sandbox userli of the system tests holds."""

import json

TOKEN = "e38a0bc6b5de5b7c6137eb9d383d1977"
OTHER_TOKEN = "0123456789abcdef0123456789abcdef"  # without the postfix scope
LISTS = 100


def sample_directory(**replace):
    """Domains, users, aliases and tokens; the test modules know them by name."""
    directory = {
        "domains": [
            "example.org",
            "example.com",
            "second.example",
            "xn--mnchen-3ya.example",
        ],
        "users": [
            {"email": email, "password": email.partition("@")[0] + "-password"}
            for email in (
                "alice@example.org",
                "bob@example.org",
                "bob@second.example",
                "admin@example.org",
            )
        ],
        "aliases": [
            alias("info@example.org", "alice@example.org", "bob@example.org"),
            alias("one@example.org", "alice@example.org"),
            *(
                alias(f"list{n}@example.org", f"member{n}@example.org")
                for n in range(LISTS)
            ),
        ],
        "settings": {
            "postmaster": "admin@example.org",
            "abuse": "admin@example.org",
        },
        "tokens": [
            {"token": TOKEN, "scopes": ["postfix"]},
            {"token": OTHER_TOKEN, "scopes": ["dovecot"]},
        ],
    }
    return {**directory, **replace}


def alias(source, *destinations):
    return {"source": source, "destinations": list(destinations)}


def write_directory(folder, directory):
    """Put a directory into a file of its own; returns the path."""
    path = folder / "directory.json"
    path.write_text(json.dumps(directory), encoding="utf-8")
    return path
