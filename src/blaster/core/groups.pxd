"""Rows by step, part by part."""
