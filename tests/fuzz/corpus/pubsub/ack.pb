
projects/p/subscriptions/sab