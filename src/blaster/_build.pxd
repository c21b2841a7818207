# How the compiled modules were built. Nothing here is for other compiled modules.
