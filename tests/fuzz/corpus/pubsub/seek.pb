
projects/p/subscriptions/s