-- leave: removes a participant if the guards hold; the last one takes the room along.
-- Who remains is never left without a moderator: the longest there becomes one, who is connected first.
-- ARGV: 2 participant, 3 reason, 4 signald, 5 signald_epoch, 6 detached_at ('' = any, 'no' = none),
--       7 'again' if the same person joins again at once, and takes the role along,
--       8 hash of what proves that the participant may be ended ('' = the caller knows)
local function comes_before(a, b)
  if a.connected ~= b.connected then
    return a.connected
  end
  if a.joined_at ~= b.joined_at then
    return a.joined_at < b.joined_at
  end
  return a.id < b.id
end

local function find_successor()
  local first
  for _, text in ipairs(members()) do
    local m = cjson.decode(text)
    if m.role == 'moderator' then
      return nil
    end
    -- who came by WHIP or WHEP could not moderate
    if not m.door and (not first or comes_before(m, first)) then
      first = m
    end
  end
  return first
end

local p = load(ARGV[2])
if not p then
  return '{"ok":true,"removed":false,"missing":true,"empty":' .. tostring(#members() == 0) .. '}'
end
if not holds(ARGV[4], p.signald) or not holds(ARGV[5], p.signald_epoch) or
   not holds(ARGV[6], p.detached_at and string.format('%.0f', p.detached_at) or 'no') or
   not holds(ARGV[8], p.resume) then
  return '{"ok":true,"removed":false,"missing":false,"empty":false}'
end
redis.call('HDEL', state, 'p:' .. p.id)
if ARGV[3] == 'removed' or (ARGV[8] and ARGV[8] ~= '') then
  redis.call('SADD', tombs, p.id)
  redis.call('EXPIRE', tombs, LIFE)
end
publish('participant-left', '"participant":' .. cjson.encode(p.id) .. ',"reason":"' .. ARGV[3] .. '"')
local successor = ARGV[7] ~= 'again' and find_successor()
if successor then
  successor.role = 'moderator'
  redis.call('HSET', state, 'successor', successor.identity)
  save(successor)
  announce('participant-updated', successor)
end
local empty = #members() == 0
if empty then
  redis.call('DEL', state, chat)
end
return '{"ok":true,"removed":true,"empty":' .. tostring(empty) .. ',"participant":' .. encode(p) .. '}'
