"""Command line of charz: one file a command; nothing heavy is imported before a command runs."""

from charz.cli.app import main as main

__all__ = ["main"]
