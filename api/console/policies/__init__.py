"""Pages on policies: written, looked at, and taken through their life."""
