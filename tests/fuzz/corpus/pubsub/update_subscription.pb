

\
projects/p/subscriptions/sprojects/p/topics/t(
8battributes:kj
projects/p/topics/t
filter