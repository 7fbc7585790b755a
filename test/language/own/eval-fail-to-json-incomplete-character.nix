builtins.toJSON (builtins.elemAt (builtins.split "" "é") 2)
