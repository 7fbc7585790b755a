[
  (let { body = x; x = 1; })
  (rec { x = 1; __overrides = { x = 2; }; y = x; })
  { __overrides = 1; }
  http://example.org/x?y=z&a=b
]
