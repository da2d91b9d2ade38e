-- The entry of a key, or else the lease to fill it.
-- KEYS: entry, lease, fence.
-- ARGV: the lease's length in ms, the fence's in ms; the bytes of the largest entry; the length, first and last 64 bytes of
-- an entry that is of no use.
-- Returns {'found', entry}, {'yours', fence} or {'theirs', ms that it lasts}; a third item if what is under the entry's name
-- is not a string, or too large.

local odd = nil
local most = tonumber(ARGV[3])
-- One byte more than the largest entry has, whatever lies there.
local entry = redis.pcall('GETRANGE', KEYS[1], 0, most)
if type(entry) == 'table' then
    if not string.find(entry.err, '^WRONGTYPE') then return entry end
    odd = 'odd'
elseif #entry > most then
    odd = 'odd'
elseif #entry > 0 then
    local refused = #entry == tonumber(ARGV[4])
        and string.sub(entry, 1, 64) == ARGV[5] and string.sub(entry, -64) == ARGV[6]
    if not refused then return {'found', entry} end
end

local length = tonumber(ARGV[1])
local left = redis.call('PTTL', KEYS[2])
-- What never ends, or much later, is nobody's lease.
if left > 0 and left <= length then return {'theirs', left, odd} end

-- Above every fence before it, that of a counter that was lost included.
local time = redis.call('TIME')
local fence = tonumber(time[1]) * 1000000 + tonumber(time[2])
local last = redis.pcall('GET', KEYS[3])
if type(last) == 'string' then last = tonumber(last) else last = nil end
if last and last < 2 ^ 53 - 1 and last >= fence then fence = last + 1 end
fence = string.format('%.0f', fence)

local remembered = redis.pcall('SET', KEYS[3], fence, 'PX', ARGV[2])
if remembered.err then return remembered end
local taken = redis.pcall('SET', KEYS[2], fence, 'PX', length)
if taken.err then return taken end
return {'yours', fence, odd}
