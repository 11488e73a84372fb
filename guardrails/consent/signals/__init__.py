"""Signals from outside, read into the terms of the consent check."""
