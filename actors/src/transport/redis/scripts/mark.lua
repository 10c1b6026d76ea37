-- Remembers ids as done, whoever has claimed them, unless a later owner has fenced this one. Tells that one's epoch, or nothing.
--
-- KEYS: the group's fences, then a key for each id. ARGV: partition, epoch, then for each id until when it is done, and how
-- long Redis keeps it (ms).
local fence = redis.call('HGET', KEYS[1], ARGV[1])
-- Epochs may be longer than a number holds.
if fence and (#ARGV[2] < #fence or (#ARGV[2] == #fence and ARGV[2] < fence)) then
    return fence
end
for i = 2, #KEYS do
    redis.call('SET', KEYS[i], ARGV[2 * i - 1], 'PX', ARGV[2 * i])
end
return false
