from support import x
y: int = x
