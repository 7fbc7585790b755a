rec {
  /**
    Adds two numbers.

      Indented a little.
  */
  add = x: y: x + y;
  renamed = add;
  # An ordinary comment.
  plain = x: x;
  /** The answer. */
  number = 42;
  undocumented = 1;
  inner.deep = /** Right before the function. */ x: x;
  /** Outer text. */ /* and an ordinary one */ # and another
  spread =
    { a, b }:
    /** Inner text. */
    c: a + b + c;
}
