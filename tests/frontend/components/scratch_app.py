"""The app of these tests: a page of components and the fake service. Run by Streamlit."""

import streamlit as st

from tests.frontend.components.fake import ROUTES

app = st.App("scratch_page.py", routes=ROUTES)
