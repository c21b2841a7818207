"""What the compiled rules and the oracle still disagree about, left out of the drawing.

A name taken out of `OPEN` is drawn again; an empty set means that nothing is left out.
"""

from __future__ import annotations

OPEN: frozenset[str] = frozenset()
