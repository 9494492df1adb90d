"""Reads a page with Python's own parser, and names what it should not have.

Each line of the input is {"page": HTML, "texts": [...]}. Each text has to be there as text, not as markup. Prints a line for each: the
array of its faults.
"""

import base64, hashlib, json, sys
from html.parser import HTMLParser

TAGS = set(
    "html head meta title style body header span strong main h1 h2 small ul ol li b p section div figure figcaption svg line rect "
    "table thead tbody tr th td details summary time footer".split()
)
ATTRIBUTES = set(
    "lang charset http-equiv content name class aria-label aria-labelledby aria-hidden role id scope datetime data-label "
    "viewbox preserveaspectratio x x1 x2 y y1 y2 width height stroke-width vector-effect".split()
)
VOID = {"meta"}


class Page(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.faults, self.texts, self.open, self.style, self.policy = [], [], [], "", ""

    def handle_starttag(self, tag, attributes):
        if tag not in TAGS:
            self.faults.append(f"element {tag!r}")
        if tag not in VOID:
            self.open.append(tag)
        attributes = dict(attributes)
        for name in attributes:
            if name not in ATTRIBUTES:
                self.faults.append(f"attribute {name!r} of {tag}")
        for name in ("class", "id"):
            if not set(attributes.get(name) or "").issubset(set("abcdefghijklmnopqrstuvwxyz -")):
                self.faults.append(f"{name} {attributes[name]!r}")
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> ends another element")

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data
        self.texts.append(data)

    def handle_comment(self, data):
        self.faults.append(f"comment {data!r}")

    def handle_pi(self, data):
        self.faults.append(f"instruction {data!r}")

    def unknown_decl(self, data):
        self.faults.append(f"declaration {data!r}")


def faults(given):
    page = Page()
    page.feed(given["page"])
    page.close()
    texts = "".join(page.texts)
    page.faults += [f"missing text {text!r}" for text in given["texts"] if text not in texts]
    page.faults += [f"<{tag}> has no end" for tag in page.open]
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    if f"style-src 'sha256-{digest}'" not in page.policy or "default-src 'none'" not in page.policy:
        page.faults.append(f"policy {page.policy!r} does not fit the style sheet")
    if given["page"].count("<style>") != 1:
        page.faults.append("not one style sheet")
    return page.faults


for line in sys.stdin:
    print(json.dumps(faults(json.loads(line))), flush=True)
