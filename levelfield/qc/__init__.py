"""Quality control of segmentation, in both control classes.

Is the segmentation good enough, and equally good for negative and positive controls? ``features``
(with ``geometry``, ``cuts``, ``seams`` and ``bias``) looks at labels and image together, field by
field, and ``second_opinion`` at what the small network says of the same pixels. ``evidence`` turns
that into probabilities once the whole plate is there: ``terms`` are what its ``trees`` read,
relative to the plate's ``typical`` object; ``calibration`` knows how far to trust it. ``summary``
makes rates per site and well; ``balance`` holds the statistics; ``comparison``, ``looks`` and
``confounders`` compare the classes. ``sampling`` draws objects for people to look at, ``review``
reads what they say, ``stratified`` makes estimates of it, ``reviewers`` compares two of them.
``judgement`` applies the rule, ``verdict`` makes the tables, ``advice`` says it in words, with
``remedies``. ``plate`` runs the chain for one plate.
"""
