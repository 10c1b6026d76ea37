-- Claims ids, each of which stands there once. Tells of those that are not fresh: which of them, from zero, and 1 where it is
-- done, or until when it is leased, as text.
--
-- ARGV: partition, epoch, now, until, how long Redis keeps a claim (ms), which ids the owner knows that it holds (a digit each,
--       or nothing if it holds none), and the ids.
local partition, epoch, now, to, keep, holds, ids = unpack(ARGV)
now = tonumber(now)
local mine = 'claim ' .. partition .. ':' .. epoch .. ':'
local claim, all, own = mine .. to, buckets(), bucket_for(tonumber(keep))

-- A number of 8 bytes, the highest first.
local function number(bytes)
    local read = 0
    for i = 1, 8 do
        read = read * 256 + string.byte(bytes, i)
    end
    -- By its sign: as a number the largest of them is rounded up to the next.
    return string.byte(bytes, 1) < 128 and read or read - 2 ^ 64
end

-- The verdict on an id that is known, and whether it is to be claimed.
local function judge(known, held)
    if #known == 8 then
        local done = number(known) > now
        return done and 1, not done
    end
    local of, at, till = string.match(known, '^claim (%d+):(%d+):(-?%d+)$')
    if of == partition and at == epoch then
        -- One that the owner does not know of comes of an answer that was lost: it is claimed anew.
        if not held then
            return nil, true
        end
        -- Its owner lives: it asks. It is still at the event, however long it takes.
        if tonumber(till) < tonumber(to) then
            return to, true
        end
        return till, false
    end
    if tonumber(till) > now and not fenced_by(of, at) then
        return till, false
    end
    return nil, true
end

local told = {}
each_some(ids, function(some, before)
    local known, where = find(all, some)
    local claims = {}
    for i, id in ipairs(some) do
        local verdict, claims_it = nil, true
        if known[i] then
            verdict, claims_it = judge(known[i], string.sub(holds, before + i, before + i) == '1')
        end
        if verdict then
            told[#told + 1] = before + i - 1
            told[#told + 1] = verdict
        end
        if claims_it then
            if where[i] and where[i] ~= own then
                redis.call('HDEL', where[i], id)
            end
            claims[#claims + 1] = id
            claims[#claims + 1] = claim
        end
    end
    if #claims > 0 then
        redis.call('HSET', own, unpack(claims))
    end
end)
return told
