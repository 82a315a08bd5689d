"""Reports for people: a page per plate, a page for the screen, and the verdict as plain text.

``records`` reads the verdict's tables, for pages and terminal alike, and all words and numbers come
from `levelfield.qc.wording`. ``svg`` is the ground of ``heatmaps``, ``distributions``,
``intervals``, ``drift`` and ``gallery``, which draw; ``answers`` and ``side_tables`` order what is
shown; ``page`` and ``screen`` put the pages together from the templates beside them; ``text`` is
for the terminal. The same tables give the same bytes, and a page needs nothing but itself.
"""

from levelfield.report.gallery import Gallery, choose_gallery, draw_gallery
from levelfield.report.page import PlateReport, plate_page
from levelfield.report.screen import ScreenReport, screen_page
from levelfield.report.text import verdict_text

__all__ = [
    "Gallery",
    "PlateReport",
    "ScreenReport",
    "choose_gallery",
    "draw_gallery",
    "plate_page",
    "screen_page",
    "verdict_text",
]
