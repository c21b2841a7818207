"""Public doubles for those who embed blaster: fake clock, scripted sinks, seeded network.

It never stands in for the engine itself.
"""
