
%
ack
body
kv7"*key