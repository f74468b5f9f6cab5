"""Long work for many people: the queue, what runs a job, and its worker's process."""
