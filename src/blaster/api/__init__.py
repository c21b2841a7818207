"""HTTP: resources, tracking, forms and unsubscribe become the engine's verbs here.

It parses, validates and authenticates; it never decides, and never touches the state.
"""
