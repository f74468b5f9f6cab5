"""Long work for many people: what is stored, what runs, and what is left when it ends."""
