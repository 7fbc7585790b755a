# Names that the evaluator itself knows come before all others.
({ zeds, name }: 1) { }
