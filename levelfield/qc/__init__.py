"""Quality control of segmentation, in both control classes.

Is the segmentation good enough, and equally good for negative and positive controls? ``features``
(with ``geometry``, ``cuts`` and ``bias``) looks at labels and image together, field by field;
``evidence`` turns that into scores per object once the whole plate is there; ``summary`` into rates
per site and well; ``balance`` holds the statistics; ``comparison`` and ``confounders`` compare the
classes. ``sampling`` draws objects for people to look at, ``review`` reads what they say,
``stratified`` makes estimates of it, ``reviewers`` compares two of them. ``judgement`` applies the
rule, ``verdict`` makes the tables, ``advice`` says it in words. ``plate`` runs the chain for one
plate.
"""
