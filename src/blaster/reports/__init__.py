"""Read models over state and history: funnels, ledgers, timelines.

It never writes.
"""
