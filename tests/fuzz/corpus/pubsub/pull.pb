
projects/p/subscriptions/s
