# Imported twice by a case: it counts once.
{ x = 1; }
