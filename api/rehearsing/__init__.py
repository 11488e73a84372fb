"""Running a draft policy against every decision that is retained, before it may go live."""
