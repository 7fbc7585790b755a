# Compared in the order in which the names were met, so what fails behind a difference is not looked at.
{ met-sooner = 1; met-later = throw "never"; } == { met-sooner = 2; met-later = 1; }
