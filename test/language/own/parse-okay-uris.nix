x: [ http://example.org/a?b=c&d x:y a.b:c a+b-c:d mailto:x@y (x: x) (x:y) (_x:_x) (x':x') ]
