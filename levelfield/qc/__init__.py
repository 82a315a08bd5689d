"""Quality control of segmentation, in both control classes.

Is the segmentation good enough for negative and positive controls, and equally good for both? A map
of the rooms, in the order in which they may import each other:

``columns``
    Names of columns. The questions and their measures are a room of their own,
    `levelfield.questions`, since the config knows their margins.
``statistics``
    Wells as units: ``estimates`` with their variances, ``errors`` of the evidence itself, the rule
    for one estimate (``decision``) and for many (``family``), what the data say of every row
    (``readings``), and rates per site and well (``summary``).
``evidence``
    What the pixels say, field by field: ``features`` of objects and of seams between them,
    ``second_opinion`` and ``candidates`` (places where an object may be missing). Once the whole
    plate is there, ``scores`` turns them into probabilities, relative to the plate's
    ``reference_object``; ``calibration`` knows how far to trust them.
``verdict``
    From readings to answers: ``rules`` (margins, constants), ``cases``, ``rule``, ``rows``,
    ``steps`` (what to do next), ``answer``, ``screen`` and ``tables``.
``review``
    What people say of a sample of the objects: ``sampling`` draws it, ``answers`` reads it,
    ``stratified`` and ``classes`` make estimates of it, ``reviewers`` compares two people.
``wording``
    The verdict in words, made last: ``headlines``, ``advice`` and the ``parameters`` to change.
``judged``, ``tables``
    What is known of a judged plate, and the tables that are made from it, a file for each.
``plate``, ``truth``
    The chain for one plate; and the same questions answered from reference labels.
``train``
    Used by no plate: how the evidence was trained and calibrated (``make train-qc``).
"""
