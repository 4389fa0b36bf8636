"""Readers: one file format a module, found by content or by name; `read` makes datasets of their rows."""

from charz.readers.contract import Column, Reader, Table
from charz.readers.read import read
from charz.readers.registry import READERS, open_table, open_tables

__all__ = ["READERS", "Column", "Reader", "Table", "open_table", "open_tables", "read"]
