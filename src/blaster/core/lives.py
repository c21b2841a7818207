"""How long a send may wait: without an order, and with one, by category.

RFC 5321 section 4.5.4.1 asks for 4 to 5 days of tries, which is more than anybody wants to wait for
a letter of ours: operational mail (and calls) give up after a day, the rest after three.
"""

from __future__ import annotations

LIFE_S = {"operational": 86_400, "call": 86_400, "sales": 3 * 86_400, "marketing": 3 * 86_400}
"""How long after it was made an order may still be tried, by category."""
POLICY_WAIT_S = 7 * 86_400
"""How long a send may wait in its step, be it for policy or for room."""
