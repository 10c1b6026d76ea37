-- What the scripts of the dedup store share: ids lie in buckets, so that one command has many of them.
--
-- A bucket is a hash with a field of 16 bytes for each id, whose value is a claim, `claim <partition>:<epoch>:<until>`, or the
-- time until which the id is done, 8 bytes. An id lies in one bucket at most. A bucket is named by the time (of this server, ms)
-- at which nothing in it counts any more, and is let go of then as a whole.
--
-- KEYS: the group's fences, its buckets (a sorted set of their names by that time).
local fences, index = KEYS[1], KEYS[2]
-- So many that their fields and values fit the stack of Lua.
local AT_ONCE = 1000
-- How much longer than that a bucket stays that nobody lets go of, since its group is gone (ms).
local FORGOTTEN = 7 * 24 * 3600 * 1000
-- Longer than what Redis would pack into a list, in which it would search for each id from the front.
local ABOUT = 'the ids that a group of pandaflow has claimed or handled: 16 bytes each, version 2'

local time = redis.call('TIME')
local at = time[1] * 1000 + math.floor(time[2] / 1000)

local asked = {}

-- Whether a later owner of a partition has fenced one of this epoch. Epochs may be longer than a number holds.
local function fenced_by(partition, epoch)
    if asked[partition] == nil then
        asked[partition] = redis.call('HGET', fences, partition)
    end
    local fence = asked[partition]
    return fence and (#epoch < #fence or (#epoch == #fence and epoch < fence)) and fence
end

-- The buckets that count.
local function buckets()
    local over = redis.call('ZRANGEBYSCORE', index, '-inf', at)
    for _, bucket in ipairs(over) do
        -- Not now: there may be millions in it.
        redis.call('UNLINK', bucket)
        redis.call('ZREM', index, bucket)
    end
    return redis.call('ZRANGE', index, 0, -1)
end

-- The bucket for what is to be kept that long (ms): one for all of a while that is between a half and the whole of it.
local function bucket_for(keep)
    local width = 2 ^ math.floor(math.log(keep) / math.log(2))
    local over = (math.floor((at + keep) / width) + 1) * width
    local bucket = string.format('%s:%.0f', index, over)
    redis.call('ZADD', index, 'NX', over, bucket)
    -- Also where somebody has deleted it.
    if redis.call('HSETNX', bucket, 'about', ABOUT) == 1 then
        redis.call('PEXPIREAT', bucket, string.format('%.0f', over + FORGOTTEN))
        -- As long as the one that stays longest.
        if redis.call('PTTL', index) < over + FORGOTTEN - at then
            redis.call('PEXPIREAT', index, string.format('%.0f', over + FORGOTTEN))
        end
    end
    return bucket
end

-- Calls back with some of the ids after the other, and how many came before.
local function each_some(ids, call)
    local all = #ids / 16
    for first = 1, all, AT_ONCE do
        local some = {}
        for i = first, math.min(first + AT_ONCE - 1, all) do
            some[#some + 1] = string.sub(ids, 16 * i - 15, 16 * i)
        end
        call(some, first - 1)
    end
end

-- What is known of ids, and in which bucket it lies.
local function find(all, ids)
    local known, where = {}, {}
    for _, bucket in ipairs(all) do
        local values = redis.call('HMGET', bucket, unpack(ids))
        for i = 1, #ids do
            if values[i] then
                known[i], where[i] = values[i], bucket
            end
        end
    end
    return known, where
end
