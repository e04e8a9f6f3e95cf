"""webhooks - what userli sends when a user changes, signed or spoilt."""

import datetime
import hashlib
import hmac
import itertools
import json

from support.web import fetch

SECRET = "the-secret-of-the-webhook"
_numbers = itertools.count(1)


def body(email, kind="user.created", age=0):
    """As userli writes it, age seconds ago."""
    now = datetime.datetime.now(datetime.timezone.utc)
    at = (now - datetime.timedelta(seconds=age)).isoformat(timespec="seconds")
    content = {"type": kind, "timestamp": at, "data": {"email": email}}
    return json.dumps(content, separators=(",", ":")).encode()


def signature(content, secret=SECRET):
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def headers(content, secret=SECRET, attempt=1, **replace):
    """Those of a new delivery; None leaves one out."""
    found = {
        "Content-Type": "application/json",
        "X-Webhook-Signature": signature(content, secret),
        "X-Webhook-Id": f"01JGGX7V4B8Y2R3M5N6P7Q{next(_numbers):04}",
        "X-Webhook-Attempt": str(attempt),
    }
    found.update({name.replace("_", "-"): value for name, value in replace.items()})
    return {name: value for name, value in found.items() if value is not None}


def post(backend, content, sent=None):
    """The answer of a backend to one webhook."""
    return fetch(backend.metrics_url + "/webhook", "POST", content,
                 headers(content) if sent is None else sent)
