[ (builtins.sort (a: b: true) [ 3 1 2 ]) (builtins.sort (a: b: false) [ 3 1 2 ]) (builtins.sort builtins.lessThan [ [ 2 ] [ 1 2 ] [ 1 ] ]) ]
