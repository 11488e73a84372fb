"""The room that every request for suggestions goes through, alone or together with many others.

``inputs`` reads what is needed for one request or for hundreds, with as many statements for the one as
for the others. ``making`` turns what was decided into an answer and its record. ``groups`` takes many
customers a group at a time. ``runs`` writes a whole mailing to a file, and goes on where it was stopped.
"""
