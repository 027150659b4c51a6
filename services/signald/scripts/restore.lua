-- restore: puts back a participant that Redis has forgotten, unless a moderator had removed it. Its seq goes on where we were.
-- ARGV: 2 participant JSON, 3 seq at least, 4 creator ('' = unknown)
local p = cjson.decode(ARGV[2])
if load(p.id) then
  return '{"ok":true,"restored":false}'
end
if redis.call('SISMEMBER', tombs, p.id) == 1 then
  return refuse('removed')
end
if tonumber(redis.call('HGET', state, 'seq') or '0') < tonumber(ARGV[3]) then
  redis.call('HSET', state, 'seq', ARGV[3])
end
redis.call('HSETNX', state, 'node', p.node)
redis.call('HSETNX', state, 'node_epoch', p.epoch)
redis.call('HSETNX', state, 'created', string.format('%.0f', p.joined_at))
if ARGV[4] ~= '' then
  redis.call('HSETNX', state, 'creator', ARGV[4])
end
save(p)
announce('participant-joined', p)
return '{"ok":true,"restored":true}'
