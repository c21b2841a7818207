"""Bounces, complaints, replies and receipts: bytes to outcomes, then the listeners.

It never changes the state; it reports what arrived.
"""
