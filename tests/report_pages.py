"""Pages as the tests of the report take them apart."""

from collections import Counter
from html.parser import HTMLParser

from report_cases import layout_of, real_field, report_of

from levelfield.report import choose_gallery, draw_gallery

HOSTILE = "<script>alert('x')</script>&\"'"


CHANNELS = {"DNA": "3F7FFF", "FKHR": "40E060"}


VOID = {"meta", "img", "br", "input", "link", "hr"}


class Page(HTMLParser):
    """The tags, addresses, ids and text of a page; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.tags, self.ids = [], Counter(), Counter()
        self.sources, self.links, self.words = [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags[tag] += 1
        self.ids.update([attributes["id"]] if "id" in attributes else [])
        self.sources += [attributes["src"]] if "src" in attributes else []
        self.links += [attributes["href"]] if "href" in attributes else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def real_gallery():
    layout = layout_of(96, positives=("Wortmannin",))
    data = report_of(layout, 96)
    choices = choose_gallery(data.sites, data.qc_sites, layout)[:3]
    return draw_gallery(choices, lambda well, site: real_field(well), CHANNELS, crop=120)
