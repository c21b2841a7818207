from typing import Literal

KIND: Literal["release", "trace", "sanitize"]
"""`trace`: lines are reported to a tracer and checks are on, some ten times slower; `sanitize`:
under gcc's sanitizers."""
