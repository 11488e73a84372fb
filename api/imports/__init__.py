"""Importing: files of items, interactions and consents, and batches of events sent to the API."""
