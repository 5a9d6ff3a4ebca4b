
projects/p/subscriptions/s
"a