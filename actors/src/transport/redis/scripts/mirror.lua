-- Writes entries of the mirror, each unless a later version of it is there.
--
-- KEYS: the set of the keys, then a key for each entry. ARGV: how long a removed entry's version is kept (ms), then for each
-- entry its member of the set, its version, how many fields it has (-1: it was removed), and as many names and values.
local at, written = 2, 0
for i = 2, #KEYS do
    local member, version, fields = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
    local first, last = at + 3, at + 2 + 2 * math.max(fields, 0)
    at = last + 1
    local known = redis.call('HGET', KEYS[i], 'version')
    if not known or known <= version then
        redis.call('DEL', KEYS[i])
        redis.call('HSET', KEYS[i], 'version', version)
        for field = first, last, 2 do
            redis.call('HSET', KEYS[i], ARGV[field], ARGV[field + 1])
        end
        if fields < 0 then
            redis.call('PEXPIRE', KEYS[i], ARGV[1])
            redis.call('SREM', KEYS[1], member)
        else
            redis.call('SADD', KEYS[1], member)
        end
        written = written + 1
    end
end
return written
