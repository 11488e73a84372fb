"""The engine learns what goes with what.

It knows no consent rule, no HTTP and no database: everything it works on arrives as
arrays, and what it makes leaves as arrays or as a folder of files.
"""
