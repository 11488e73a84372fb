"""The console: pages for marketers, approvers, auditors and admins of the shop."""
