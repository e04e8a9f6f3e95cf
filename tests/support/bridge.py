"""bridge - both tiers in front of a userli that is the test's (scripted_userli)."""

from support.daemons import Backend, Frontend
from support.wait import wait_until

FAILURES = "userli_postfix_adapter_userli_failures_total"


class Bridge:
    """userli has to answer mailboxes of good.example with true."""

    def __init__(self, keeper, url, **settings):
        self.backend = keeper.add(Backend(url, USERLI_TIMEOUT="1s", **settings))
        self.frontend = keeper.add(Frontend(self.backend.urls))
        self.backend.secrets = self.frontend.secrets = set()
        self.backend.wait_ready()
        self.frontend.wait_ready()
        self.numbers = iter(range(1 << 30))

    def lookup(self, key, name="mailbox"):
        return self.frontend.lookup(name, key)

    def forgive(self):
        """So that it is asked for the next row, not held to be down."""
        wait_until(
            lambda: self.lookup(f"{next(self.numbers)}@good.example").status == "OK",
            what="an OK again",
        )

    def failures(self):
        family = self.backend.metrics().samples(FAILURES)
        return {dict(labels)["reason"]: int(n) for labels, n in family.items() if n}
