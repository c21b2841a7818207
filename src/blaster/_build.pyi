from typing import Literal

KIND: Literal["release", "trace"]
"""`trace` when lines are reported to a tracer and checks are on: some ten times slower."""
