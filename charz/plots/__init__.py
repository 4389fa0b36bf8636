"""Plots, one subject a file; drawn with matplotlib's object interface, without global state."""
