
projects/p/subscriptions/sa
"a(
