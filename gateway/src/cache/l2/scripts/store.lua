-- Writes the entry of a lease and ends the lease, unless somebody has taken it since.
-- KEYS: entry, lease, fence. ARGV: the lease's fence, the entry, the time to live in ms.
-- Returns whether it did.

if redis.pcall('GET', KEYS[3]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
