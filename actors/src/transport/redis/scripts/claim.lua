-- Claims ids, one verdict each: 0 fresh, 1 done, and until when it is leased, as text.
--
-- KEYS: the group's fences, then a key for each id.
-- ARGV: partition, epoch, now, until, how long Redis keeps a claim (ms), and which ids the owner knows that it holds:
--       a digit each, or nothing if it holds none.
-- A value is a claim, `c<partition>:<epoch>:<until>`, or the time until which the id is done.
local partition, epoch, now, to, keep, holds = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5], ARGV[6]
local mine = 'c' .. partition .. ':' .. epoch .. ':'
local here, verdicts = {}, {}

-- Whether a later owner of that partition has ended the claims of this epoch. Epochs may be longer than a number holds.
local function is_fenced(of, at)
    local fence = redis.call('HGET', KEYS[1], of)
    return fence and (#at < #fence or (#at == #fence and at < fence))
end

local function verdict(key, known, held)
    local of, at, till = string.match(known, '^c(%d+):(%d+):(-?%d+)$')
    if not of then
        return tonumber(known) > now and 1 or 0
    end
    if of == partition and at == epoch then
        -- One that the owner does not know of comes of an answer that was lost: it is claimed anew.
        if not held and not here[key] then
            return 0
        end
        -- Its owner lives: it asks. It is still at the event, however long it takes.
        if tonumber(till) < tonumber(to) then
            till = to
            redis.call('SET', key, mine .. till, 'PX', keep)
        end
        return till
    end
    if tonumber(till) > now and not is_fenced(of, at) then
        return till
    end
    return 0
end

for i = 2, #KEYS do
    local key, found = KEYS[i], 0
    if not redis.call('SET', key, mine .. to, 'NX', 'PX', keep) then
        local known = redis.call('GET', key)
        found = known and verdict(key, known, string.sub(holds, i - 1, i - 1) == '1') or 0
        if found == 0 then
            redis.call('SET', key, mine .. to, 'PX', keep)
        end
    end
    if found == 0 then
        here[key] = true
    end
    verdicts[i - 1] = found
end
return verdicts
