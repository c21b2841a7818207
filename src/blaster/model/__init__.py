"""The values that flow between rooms: field types, definitions, records, batches.

It has no behaviour and does no I/O.
"""
