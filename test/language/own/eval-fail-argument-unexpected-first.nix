({ }: 1) { zebra = 1; apple = 2; type = 3; name = 4; }
