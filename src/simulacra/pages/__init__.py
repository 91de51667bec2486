"""HTML pages: one self-contained file with its figures, and a JSON file with the same numbers."""

from simulacra.pages.page import Card, Chapter, Outcome, Page, Picture
from simulacra.pages.write import html_of, picture, write_page

__all__ = ["Card", "Chapter", "Outcome", "Page", "Picture", "html_of", "picture", "write_page"]
