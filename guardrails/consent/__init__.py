"""Purposes, the ledger and its projection, the check, outside signals."""
