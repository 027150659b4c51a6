-- prelude.lua - put in front of every room script.
--
-- KEYS[1]  cc:{<room>}:state   a hash: seq, node, node_epoch, created, creator, successor, p:<participant>
-- KEYS[2]  cc:{<room>}:chat    a list of chat messages as clients get them
-- KEYS[3]  cc:{<room>}:removed a set: participants that a moderator removed; outlives the room
-- ARGV[1]  cc:{<room>}:events  where the event of a change is published
-- Every script returns one JSON text: {"ok":true,…} or {"ok":false,"error":"<stable id>"}.
-- SPDX-License-Identifier: Apache-2.0
local state, chat, tombs, channel = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local LIFE = 86400

local function refuse(id)
  return '{"ok":false,"error":"' .. id .. '"}'
end

-- cjson writes an empty table as {}; nothing that we keep is an empty object.
local function encode(value)
  return (cjson.encode(value):gsub('"([%a_]+)":{}', '"%1":[]'))
end

local function load(id)
  local text = redis.call('HGET', state, 'p:' .. id)
  return text and cjson.decode(text)
end

local function save(p)
  redis.call('HSET', state, 'p:' .. p.id, encode(p))
  redis.call('EXPIRE', state, LIFE)
end

local function publish(op, rest)
  local seq = redis.call('HINCRBY', state, 'seq', 1)
  redis.call('PUBLISH', channel, '{"seq":' .. seq .. ',"op":"' .. op .. '",' .. rest .. '}')
  return seq
end

-- Clients get the public part; signald reads the private part and cuts it off.
local function announce(op, p)
  local public = { id = p.id, name = p.name, kind = p.kind, role = p.role, hand = p.hand,
                   connected = p.connected, tracks = p.tracks }
  local private = { signald = p.signald, signald_epoch = p.signald_epoch, node = p.node,
                    epoch = p.epoch, joined_at = p.joined_at }
  return publish(op, '"participant":' .. encode(public) .. ',"private":' .. encode(private))
end

-- The room's participants as kept, in no order.
local function members()
  local all = redis.call('HGETALL', state)
  local list = {}
  for i = 1, #all, 2 do
    if all[i]:sub(1, 2) == 'p:' then
      list[#list + 1] = all[i + 1]
    end
  end
  return list
end

local function snapshot()
  return '"seq":' .. (redis.call('HGET', state, 'seq') or '0') ..
    ',"node":' .. cjson.encode(redis.call('HGET', state, 'node') or '') ..
    ',"epoch":' .. cjson.encode(redis.call('HGET', state, 'node_epoch') or '') ..
    ',"participants":[' .. table.concat(members(), ',') .. ']' ..
    ',"chat":[' .. table.concat(redis.call('LRANGE', chat, 0, -1), ',') .. ']'
end

-- A guard that was not given ('') always holds.
local function holds(guard, value)
  return guard == nil or guard == '' or guard == tostring(value)
end
