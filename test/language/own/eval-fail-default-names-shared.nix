# A default that is nothing but another formal is that argument itself, if that one's name was met before.
let get = x: x.early or x.later or x.latest; in
({ early ? later, later, latest ? later }: toString { inherit early latest; }) { later = 3; }
