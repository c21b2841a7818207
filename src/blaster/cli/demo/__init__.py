"""`blaster demo`: a whole mailing against providers on this machine, and whether all agrees.

`people` and `workspace` make what is sent, `receiver` runs the SMTP sink, `run` drives the engine,
`live` shows it, `account` counts, `verdict` compares. It does nothing the library cannot do.
"""
