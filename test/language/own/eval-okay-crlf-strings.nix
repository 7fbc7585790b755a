"x
yz"
