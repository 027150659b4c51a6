-- chat: passes a message on and keeps the public ones.
-- ARGV: 2 participant who speaks, 3 the message, 4 'public' or 'private', 5 to, 6 messages kept
if redis.call('HEXISTS', state, 'p:' .. ARGV[2]) == 0 or
   (ARGV[5] ~= '' and redis.call('HEXISTS', state, 'p:' .. ARGV[5]) == 0) then
  return refuse('not-found')
end
if ARGV[4] == 'public' then
  redis.call('RPUSH', chat, ARGV[3])
  redis.call('LTRIM', chat, -tonumber(ARGV[6]), -1)
  redis.call('EXPIRE', chat, LIFE)
end
redis.call('PUBLISH', channel, ARGV[3])
return '{"ok":true}'
