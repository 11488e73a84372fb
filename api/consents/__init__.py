"""Changing consents: what was written becomes events, and all that follows from them happens at once."""
