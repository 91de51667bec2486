"""HTML pages: one self-contained file with its figures in it, and the same numbers as JSON beside it."""

from simulacra.pages.page import Card, Chapter, Outcome, Page, Picture
from simulacra.pages.write import html_of, picture, write_page

__all__ = ["Card", "Chapter", "Outcome", "Page", "Picture", "html_of", "picture", "write_page"]
