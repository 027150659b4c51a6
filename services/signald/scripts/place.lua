-- place: where is this room? It stays where it is, unless that is the process that the caller knows
-- to be lost. Lost is the caller's to say: a node is not gone because one look did not show it.
-- That it has moved is told to all (no seq: the snapshot says where it is).
-- ARGV: 2 proposed id ('' = none), 3 its epoch, 4 lost id ('' = none), 5 its epoch
local node = redis.call('HGET', state, 'node')
local epoch = redis.call('HGET', state, 'node_epoch')
if node and (node ~= ARGV[4] or epoch ~= ARGV[5]) then
  return '{"ok":true,"node":' .. cjson.encode(node) .. ',"epoch":' .. cjson.encode(epoch) .. '}'
end
if ARGV[2] == '' then
  return refuse('no-node')
end
local is_new = redis.call('EXISTS', state) == 0
redis.call('HSET', state, 'node', ARGV[2], 'node_epoch', ARGV[3])
if is_new then
  redis.call('EXPIRE', state, 60) -- join makes it last
elseif node then
  redis.call('PUBLISH', channel, '{"op":"moved","node":' .. cjson.encode(ARGV[2]) ..
    ',"epoch":' .. cjson.encode(ARGV[3]) .. '}')
end
return '{"ok":true,"node":' .. cjson.encode(ARGV[2]) .. ',"epoch":' .. cjson.encode(ARGV[3]) .. '}'
