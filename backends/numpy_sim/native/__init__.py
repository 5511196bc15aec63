"""Compiled inner loops of the simulator, and the layout they work on; optional."""
