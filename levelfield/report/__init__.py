"""Reports for people: a page per plate, a page for the screen, and the verdict as plain text.

``numbers`` and ``svg`` are the ground; ``heatmaps``, ``distributions``, ``intervals`` and
``gallery`` draw; ``answers`` orders the verdict table; ``page`` and ``screen`` put the pages
together from the templates beside them; ``text`` is for the terminal. The same tables give the
same bytes, and a page needs nothing but itself.
"""

from levelfield.report.gallery import (
    Choice,
    Gallery,
    GalleryPicture,
    choose_gallery,
    draw_gallery,
    gallery_picture,
)
from levelfield.report.page import PlateReport, plate_page
from levelfield.report.screen import ScreenReport, screen_page
from levelfield.report.text import verdict_text

__all__ = [
    "Choice",
    "Gallery",
    "GalleryPicture",
    "PlateReport",
    "ScreenReport",
    "choose_gallery",
    "draw_gallery",
    "gallery_picture",
    "plate_page",
    "screen_page",
    "verdict_text",
]
