-- Ends claims of one owner; what is done stays done.
--
-- ARGV: partition, epoch, the ids.
local partition, epoch, ids = unpack(ARGV)
local mine = 'claim ' .. partition .. ':' .. epoch .. ':'
local all = buckets()
each_some(ids, function(some)
    local known, where = find(all, some)
    for i, id in ipairs(some) do
        if known[i] and string.sub(known[i], 1, #mine) == mine then
            redis.call('HDEL', where[i], id)
        end
    end
end)
return false
