# What Arrow lends: used from Python only.
