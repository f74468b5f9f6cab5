"""What a person mends by hand: a document of edits, and what it makes of a timeline."""
