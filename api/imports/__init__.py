"""api/imports."""
