"""The privacy centre: what customers see of themselves, decide, set right, take with them and erase."""
