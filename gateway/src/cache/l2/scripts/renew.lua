-- Makes a lease last longer, if nobody has taken it since.
-- KEYS: lease, fence. ARGV: the fence; the lease's length in ms, the fence's in ms.
-- Returns whether it did.

if redis.pcall('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
