# The divisor is looked at first.
"text" / 0.0
