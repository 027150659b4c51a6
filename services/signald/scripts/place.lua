-- place: where is this room? Its node stays while that process lives; else the proposed one.
-- ARGV: 2 fresh nodes [[id, epoch], …] as JSON, 3 proposed id ('' = none), 4 its epoch
local node = redis.call('HGET', state, 'node')
local epoch = redis.call('HGET', state, 'node_epoch')
for _, fresh in ipairs(cjson.decode(ARGV[2])) do
  if fresh[1] == node and fresh[2] == epoch then
    return '{"ok":true,"node":' .. cjson.encode(node) .. ',"epoch":' .. cjson.encode(epoch) .. '}'
  end
end
if ARGV[3] == '' then
  return refuse('no-node')
end
local is_new = redis.call('EXISTS', state) == 0
redis.call('HSET', state, 'node', ARGV[3], 'node_epoch', ARGV[4])
if is_new then
  redis.call('EXPIRE', state, 60) -- join makes it last
end
return '{"ok":true,"node":' .. cjson.encode(ARGV[3]) .. ',"epoch":' .. cjson.encode(ARGV[4]) .. '}'
