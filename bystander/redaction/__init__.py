"""What is done to the pixels of masked people."""
