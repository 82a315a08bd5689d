"""Quality control of segmentation, in both control classes.

Is the segmentation good enough, and equally good for negative and positive controls? Imports run
one way through the rooms of this package:

``columns, measures``
    Names of columns, and what the questions are measured by.
``statistics``
    Sums of fields, estimates over wells, differences, the rule for one estimate and for a family of
    rows, plates as random effects, and records as tables.
``evidence``
    What labels and image say together, field by field, and what the second opinion says of the same
    pixels, turned into probabilities; its calibration.
``verdict``
    Rows held against their margins, the answers of plates and screens, and what to do next.
``review``
    Objects drawn for people to look at, what they say, and the estimates that follow.
``wording``
    Advice and headlines, made last.

``plate`` runs the chain for one plate, ``truth`` sets reference labels beside its answers, and
``train`` makes the evidence and its calibration.
"""
