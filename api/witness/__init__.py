"""A witness of decision logs: somebody else's process that signs what it has seen of a log.

It remembers the last tree of each log it knows and signs only trees that hold that one unchanged, so
that a log which it has signed can neither be shortened nor be shown to two readers in two ways. An
auditor runs it, with a key and a file of its own; nothing here touches the shop's storage.
"""
