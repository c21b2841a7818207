"""The command line: arguments, tables, progress and exit codes over the public names.

It never does what the library cannot do.
"""
