# What is greater is less the other way round.
undefined-second > undefined-first
