-- join: adds a participant whose media is ready on its node.
-- ARGV: 2 participant JSON (role member or moderator), 3 participants at most
local p = cjson.decode(ARGV[2])
local node = redis.call('HGET', state, 'node')
local epoch = redis.call('HGET', state, 'node_epoch')
if node and (node ~= p.node or epoch ~= p.epoch) then
  return refuse('moved')
end
if #members() >= tonumber(ARGV[3]) then
  return refuse('room-full')
end
local created = false
if not redis.call('HGET', state, 'creator') then
  created = true
  redis.call('HSET', state, 'node', p.node, 'node_epoch', p.epoch, 'creator', p.identity,
             'created', string.format('%.0f', p.joined_at))
end
-- Those who come by WHIP or WHEP cannot moderate: the first other one does.
local function has_only_doors()
  for _, text in ipairs(members()) do
    if not cjson.decode(text).door then
      return false
    end
  end
  return true
end
if not p.door and (redis.call('HGET', state, 'creator') == p.identity or
   redis.call('HGET', state, 'successor') == p.identity or has_only_doors()) then
  p.role = 'moderator'
end
save(p)
announce('participant-joined', p)
return '{"ok":true,"created":' .. tostring(created) .. ',"role":"' .. p.role .. '",' .. snapshot() .. '}'
