-- Remembers ids as done, whoever has claimed them, unless a later owner has fenced this one. Tells that one's epoch, or nothing.
--
-- ARGV: partition, epoch, how long Redis keeps the longest of them (ms), the ids, and until when each is done, 8 bytes.
local partition, epoch, keep, ids, till = unpack(ARGV)
local fence = fenced_by(partition, epoch)
if fence then
    return fence
end
local all, own = buckets(), bucket_for(tonumber(keep))
each_some(ids, function(some, before)
    for _, bucket in ipairs(all) do
        if bucket ~= own then
            redis.call('HDEL', bucket, unpack(some))
        end
    end
    local marks = {}
    for i, id in ipairs(some) do
        local place = 8 * (before + i)
        marks[2 * i - 1] = id
        marks[2 * i] = string.sub(till, place - 7, place)
    end
    redis.call('HSET', own, unpack(marks))
end)
return false
