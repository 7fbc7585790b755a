{
  description = "values";
  outputs = { self }: {
    value = 1;
    set = { a = [ ]; b = 2; };
  };
}
