"""An incident that somebody was told of is on record by then. Not run by default: it does not hold yet.

The alert is sent before the journal has the incident, so a process that is killed in between begins anew, and tells
it again under another id. Add `import first_word` to chapters.py with the change that mends it.
"""

import time

from claims import claim, hold, same
from incidents import BEFORE_S, HEARD_S, OPEN_MIN_S, OUTAGE, RESOLVED_WITHIN_S, Everybody, Traffic, kinds, resolved, started
from programs import ask, wait_for


@claim(waits=True)
def kill_9_at_the_first_word_of_an_incident_tells_nothing_twice(door):
    """What a receiver heard must be on record by then, as a failure is that a caller is told of."""
    chaos = door.chaos()
    with Everybody(door, with_alertmanager=False) as everybody:
        gateway = started(door, chaos, everybody)
        everybody.at_first_word = gateway.kill
        with Traffic(gateway):
            time.sleep(BEFORE_S)
            chaos.script(OUTAGE)
            wait_for("the outage is told", HEARD_S, everybody.webhook.posts)
        again = started(door, chaos, everybody, name="gateway-again", data=gateway.data)
        with Traffic(again):
            time.sleep(5)
            same(ask(chaos.port, "DELETE", "/chaos/script")[0], 200, "the end of the outage")
            wait_for("the end is told", OPEN_MIN_S + RESOLVED_WITHIN_S + HEARD_S, lambda: resolved(everybody.webhook))
        same(kinds(everybody.webhook), ["incident.opened", "incident.resolved"], "what the webhook heard")
        for one, most in ((everybody.slack, 2), (everybody.pagerduty, 2), (everybody.flaky, 2)):
            hold(len(one.posts()) <= most, f"somebody heard {len(one.posts())} things")
