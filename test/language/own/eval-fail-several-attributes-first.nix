{ zebra = throw "zebra"; apple = throw "apple"; }
