"""Collages: images of known truth, made of a control class's own pixels.

Isolated objects of a class (donors) are laid on its own emptied fields, where another field of it
has objects. The plate's segmenter is run on them, and what the evidence reads is held against what
is true: how far the evidence can be trusted on objects that look as these do.

``seen_field`` says what is known of a real field, ``background`` empties it, ``donors`` finds what
to cut out, ``compose`` lays it down, by ``pieces`` and ``settling``; ``windows`` chooses what of a
class's fields is looked at, and ``reading`` holds what was read against the truth.
"""
