[ (baseNameOf "a/b//") (baseNameOf "/") (baseNameOf "") (dirOf "a") (dirOf "/") (dirOf "/a//b") (dirOf "a/b/") ]
