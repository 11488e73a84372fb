"""Forgetting: erasure, withdrawal and retention, from the answer to the last file."""
