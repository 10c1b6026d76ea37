-- Ends claims of one owner; what is done stays done.
--
-- KEYS: a key for each id. ARGV: partition, epoch.
local mine = 'c' .. ARGV[1] .. ':' .. ARGV[2] .. ':'
for i = 1, #KEYS do
    local known = redis.call('GET', KEYS[i])
    if known and string.sub(known, 1, #mine) == mine then
        redis.call('DEL', KEYS[i])
    end
end
return #KEYS
