-- Remembers ids as done, whoever has claimed them.
--
-- KEYS: a key for each id. ARGV: how much longer Redis keeps a mark than it counts (ms), then until when each id is done.
local clock = redis.call('TIME')
local now, longer, longest = clock[1] * 1000 + math.floor(clock[2] / 1000), tonumber(ARGV[1]), 315360000000
for i = 1, #KEYS do
    local keep = math.min(math.max(tonumber(ARGV[i + 1]) - now, 0) + longer, longest)
    redis.call('SET', KEYS[i], ARGV[i + 1], 'PX', string.format('%.0f', keep))
end
return #KEYS
