"""What Streamlit has no widget for: each a module with its script and its style sheet.

They are Streamlit components (version 2), mounted in a shadow root each. Every sentence they
show comes in as `texts`, every address is one of the app's own routes (`/service/...`).
"""
