"""The web app in a real browser: how soon it shows, and pictures of it."""
