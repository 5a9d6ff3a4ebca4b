
projects/p/topics/t
kv