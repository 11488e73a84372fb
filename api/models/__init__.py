"""Models over time: registered, compared, watched, put in force, gone back to, described and retired."""
