{ apple = throw "apple"; name = throw "name"; type = throw "type"; }
