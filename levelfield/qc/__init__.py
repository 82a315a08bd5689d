"""Quality control of segmentation, in both control classes.

Is the segmentation good enough, and equally good for negative and positive controls? ``features``
(with ``geometry``, ``cuts`` and ``bias``) looks at labels and image together, field by field;
``evidence`` turns that into scores per object once the whole plate is there; ``summary`` into rates
per site and well; ``balance`` holds the statistics; ``comparison``, ``confounders`` and ``verdict``
compare the classes; ``advice`` says it in words. ``plate`` runs the chain for one plate.
"""
