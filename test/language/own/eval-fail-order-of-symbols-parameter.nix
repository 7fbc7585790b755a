# The name of a parameter is met behind the body of its function: here as that of the second attribute.
(x-parameter: { x-attribute = throw "first"; x-parameter = throw "second"; }) 1
