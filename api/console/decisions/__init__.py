"""Decisions for auditors: found, told as a story, proved, made again, handed out."""
