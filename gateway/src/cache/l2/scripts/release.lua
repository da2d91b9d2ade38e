-- Ends a lease, if nobody has taken it since.
-- KEYS: lease. ARGV: its fence.

if redis.pcall('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
