-- Fences the earlier owners of a partition, unless a later owner has fenced this one. Tells that one's epoch, or nothing.
--
-- ARGV: partition, epoch, how long Redis keeps the fences (ms).
local partition, epoch, keep = unpack(ARGV)
local fence = fenced_by(partition, epoch)
if fence then
    return fence
end
redis.call('HSET', fences, partition, epoch)
redis.call('PEXPIRE', fences, keep)
return false
