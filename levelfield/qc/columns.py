"""Names of the columns by which the tables of the QC are joined."""

SITE = ["Metadata_Plate", "Metadata_Well", "Metadata_Site"]
"""A site of a well."""
WELL = ["Metadata_Plate", "Metadata_Well"]
OBJECT_SET = "object_set"
FIELD = [*SITE, OBJECT_SET]
"""One object set of one site."""
NUMBER = "Metadata_ObjectNumber"
NEIGHBOUR = "Metadata_NeighbourNumber"
