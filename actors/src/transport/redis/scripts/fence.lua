-- Fences the earlier owners of a partition, unless a later owner has fenced this one. Tells that one's epoch, or nothing.
--
-- KEYS: the group's fences. ARGV: partition, epoch, how long Redis keeps the fences (ms).
local fence = redis.call('HGET', KEYS[1], ARGV[1])
if fence and (#ARGV[2] < #fence or (#ARGV[2] == #fence and ARGV[2] < fence)) then
    return fence
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return false
