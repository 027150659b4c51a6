-- leave: removes a participant if the guards hold; the last one takes the room along.
-- ARGV: 2 participant, 3 reason, 4 signald, 5 signald_epoch, 6 detached_at ('' = any, 'no' = none)
local p = load(ARGV[2])
if not p then
  return '{"ok":true,"removed":false,"missing":true,"empty":' .. tostring(#members() == 0) .. '}'
end
if not holds(ARGV[4], p.signald) or not holds(ARGV[5], p.signald_epoch) or
   not holds(ARGV[6], p.detached_at and string.format('%.0f', p.detached_at) or 'no') then
  return '{"ok":true,"removed":false,"missing":false,"empty":false}'
end
redis.call('HDEL', state, 'p:' .. p.id)
if ARGV[3] == 'removed' then
  redis.call('SADD', tombs, p.id)
  redis.call('EXPIRE', tombs, LIFE)
end
publish('participant-left', '"participant":' .. cjson.encode(p.id) .. ',"reason":"' .. ARGV[3] .. '"')
local empty = #members() == 0
if empty then
  redis.call('DEL', state, chat)
end
return '{"ok":true,"removed":true,"empty":' .. tostring(empty) .. ',"participant":' .. encode(p) .. '}'
