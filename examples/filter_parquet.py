"""The rows of a Parquet file for which a rule is true, printed as they are found.

python examples/filter_parquet.py FILE 'RULE'
"""

import sys
from datetime import UTC, datetime

import pyarrow.dataset as ds

from blaster import rules

people = ds.dataset(sys.argv[1])
rule = rules.compile(sys.argv[2], people.schema, zone="Asia/Jerusalem", now=datetime.now(UTC))
for batch in rule.select(people):
    print(*batch.to_pylist(), sep="\n")
