"""Quality control of segmentation, in both control classes.

Is the segmentation good enough for negative and positive controls, and equally good for both? A map
of the rooms, in the order in which they may import each other:

``columns``, ``measures``
    Names of columns, and the numbers by which each question is answered.
``statistics``
    Wells as units: ``estimates`` with their variances, ``errors`` (how far the evidence itself
    errs), ``decision`` (the rule for one estimate), ``family`` (for many), ``density`` and
    ``appearance`` of the classes, ``readings`` (what the data say of every row), ``summary`` (rates
    per site and well), ``confounders``, ``doses``, ``coverage``, and ``plates`` of a screen.
``evidence``
    What the pixels say, field by field: ``features`` of objects and of seams between them (with
    ``geometry``, ``cuts``, ``seams``, ``bias``), ``second_opinion`` (what the small network of
    ``opinion_network`` says of the same pixels) and ``candidates`` (places where an object may be
    missing). Once the whole plate is there, ``scores`` turns them into probabilities: ``terms`` are
    what its ``trees`` read, relative to the plate's ``typical`` object. ``calibration`` knows how
    far to trust it.
``verdict``
    From readings to answers: ``rules`` (margins, constants), ``cases``, ``rule``, ``rows``,
    ``steps`` (what to do next), ``answer``, ``screen`` and ``tables``.
``review``
    What people say of a sample of the objects: ``sampling`` draws it, ``answers`` reads it,
    ``stratified`` and ``classes`` make estimates of it, ``reviewers`` compares two people.
``wording``
    The verdict in words, made last: ``headlines``, ``advice``, and which of the ``parameters`` to
    change.
``plate``, ``truth``
    The chain for one plate; and the same questions answered from reference labels.
``train``
    Used by no plate: how the evidence was trained and calibrated (``make train-qc``), from
    ``images`` with known truth over ``phenotypes``, ``segmentations`` and planted errors
    (``collect``) to models (``evidence``), simulated plates (``plates``), constants (``calibrate``,
    ``range``) and what came of it (``judge``, ``tables``).
"""
